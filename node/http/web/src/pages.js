// What pages do beyond their markup; each of them works without.
import { initAll } from './nhsuk-frontend.js';

document.body.classList.add('js-enabled', 'nhsuk-frontend-supported');
initAll();

// --- an NHS number is checked while it is typed; the node checks it again ---

function fault(text) {
  const digits = text.replace(/\s/g, '');
  if (digits === '') return '';
  if (/[^0-9]/.test(digits)) return 'An NHS number has ten digits, and nothing else.';
  if (digits.length < 10) return `${digits.length} of 10 digits.`;
  if (digits.length > 10) return `${digits.length} digits: an NHS number has ten.`;
  if (/^(\d)\1{9}$/.test(digits)) return 'Ten times the same digit is no NHS number.';
  let sum = 0;
  for (let i = 0; i < 9; i += 1) sum += Number(digits[i]) * (10 - i);
  const check = (11 - (sum % 11)) % 11;
  if (check === 10 || check !== Number(digits[9])) return 'The check digit is wrong: look at each digit again.';
  return `${digits.slice(0, 3)} ${digits.slice(3, 6)} ${digits.slice(6)} can be an NHS number.`;
}

for (const field of document.querySelectorAll('input[data-nhs-number]')) {
  const says = document.getElementById(`${field.id}-check`);
  let waits;
  // after a pause, or a screen reader would read at every key
  field.addEventListener('input', () => {
    clearTimeout(waits);
    waits = setTimeout(() => { says.textContent = fault(field.value); }, 300);
  });
}

for (const button of document.querySelectorAll('button[data-print]')) {
  button.hidden = false;
  button.addEventListener('click', () => window.print());
}

// --- what is live ---

// The same page is fetched again and its live part put in; not while somebody is in the middle of it.
async function renew(part) {
  // so that nobody counts as being at the screen by it
  const headers = { 'CPIS-Background': '1' };
  const answer = await fetch(window.location.pathname + window.location.search, { cache: 'no-store', headers });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const fresh = page.getElementById(part.id);
  if (!fresh || part.contains(document.activeElement)) return;
  part.replaceChildren(...fresh.childNodes);
}

const part = document.querySelector('[data-live]');
if (part) {
  const says = document.getElementById('live');
  const source = new EventSource(part.dataset.live);
  const shown = Number(part.dataset.newest);
  let newest = shown;
  const tellNew = () => {
    const link = Object.assign(document.createElement('a'), { href: '/inbox', textContent: 'Show them' });
    says.replaceChildren(...(newest > shown ? ['There are new notifications. ', link, '.'] : []));
  };
  const liveAgain = () => { if (says.textContent.startsWith('Not live')) tellNew(); };
  source.addEventListener('inbox', (event) => {
    const now = JSON.parse(event.data);
    const count = document.getElementById('unopened');
    if (count) count.textContent = now.unopened;
    const late = document.getElementById('escalated');
    if (late) late.textContent = now.escalated;
    newest = now.newest;
    if (newest > shown) tellNew();
  });
  source.addEventListener('changed', () => { renew(part).catch(() => {}); });
  source.addEventListener('ended', () => {
    source.close();
    says.textContent = 'You are logged out: this page is not live any more.';
  });
  // the node, to what sends this: what is shown is old, until it says otherwise
  source.addEventListener('stale', () => {
    says.textContent = 'Not live now: the node does not answer, and what you see may be old. It goes on by itself when it does.';
  });
  source.addEventListener('fresh', liveAgain);
  source.addEventListener('error', () => {
    // closed for good when what came is no stream: a log-in that has ended, too many who look
    says.textContent = source.readyState === EventSource.CLOSED
      ? 'Not live any more: what you see may be old. Load this page again.'
      : 'Not live now: what you see may be old. It goes on by itself when the node answers.';
  });
  source.addEventListener('open', liveAgain);
}
