// node browser.mjs STAGE - one stage of tests/e2e/browser.sh: pages in a real browser, each looked at by axe at two
// widths, with whatever must hold of every page.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { CHROMIUM, NODE_MODULES, SCREENSHOTS, CPIS, W, PASSWORD, FLAGGED, STOPPED, NOBODY } = process.env;
const require = createRequire(`${NODE_MODULES}/`);
const { chromium } = require('playwright-core');
const axe = readFileSync(join(NODE_MODULES, 'axe-core/axe.min.js'), 'utf8');
const WIDTHS = [1280, 320];
const [stage, ...rest] = process.argv.slice(2);

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
const shown = (n) => `${n.slice(0, 3)} ${n.slice(3, 6)} ${n.slice(6)}`;
const numbers = [FLAGGED, STOPPED, NOBODY].flatMap((n) => [n, shown(n), encodeURIComponent(shown(n)), shown(n).replaceAll(' ', '+')]);

function holdsNumber(text) {
  return numbers.some((n) => text.includes(n));
}

// A page of this origin; whatever goes wrong in it, or to elsewhere, fails the stage.
async function open(origin, options = {}) {
  const context = await browser.newContext({ viewport: { width: WIDTHS[0], height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.origin = origin;
  page.problems = [];
  page.on('console', (m) => { if (m.type() === 'error' && !/status of 40[03]/.test(m.text())) page.problems.push(m.text()); });
  page.on('pageerror', (e) => page.problems.push(String(e)));
  page.on('request', (r) => {
    if (!r.url().startsWith(`${origin}/`)) page.problems.push(`asked elsewhere: ${r.url()}`);
    if (holdsNumber(r.url())) page.problems.push('a number in an address');
  });
  return page;
}

async function noViolations(page, name) {
  await page.evaluate(axe); // not as a script of the page, which its policy forbids
  const { violations } = await page.evaluate(() => window.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const told = violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).slice(0, 3).join(' | ')}`);
  assert.deepEqual(told, [], `axe, ${name}`);
}

// What must hold of every page, at both widths; and its screenshots.
async function look(page, name) {
  assert.ok(!holdsNumber(page.url()), `${name}: a number in the address`);
  assert.ok(!holdsNumber(await page.title()), `${name}: a number in the title`);
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    await page.waitForTimeout(150); // the header is laid out anew
    await noViolations(page, `${name} at ${width}`);
    await page.screenshot({ path: join(SCREENSHOTS, `${name}-${width}.png`), fullPage: true });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${name} at ${width}: ${wide} pixels too wide`);
  }
  await page.setViewportSize({ width: WIDTHS[0], height: 900 });
  assert.deepEqual(page.problems, [], name);
  console.log(`   ${name}`);
}

async function logIn(page, name = 'tester') {
  await page.goto(`${page.origin}/`);
  await page.getByLabel('User name').fill(name);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('button', { name: 'Log out' }).waitFor();
}

async function lookUp(page, number, why = 'Unplanned care') {
  await page.goto(`${page.origin}/lookup`);
  await page.getByLabel('NHS number').fill(number);
  await page.getByLabel(why, { exact: true }).check();
  await page.getByRole('button', { name: 'Look up' }).click();
  await page.locator('.cpis-verdict').waitFor();
  return page.locator('h1').innerText();
}

async function isNotKept(page, address) {
  await page.goto(address);
  assert.equal(page.url(), address);
  assert.equal(await page.locator('h1').innerText(), 'This page is not kept any more');
  assert.equal(await page.locator('.cpis-verdict').count(), 0);
}

// Nothing of a child stands in what the browser keeps of where it was.
async function historyIsClean(page) {
  const session = await page.context().newCDPSession(page);
  const { entries } = await session.send('Page.getNavigationHistory');
  for (const e of entries) assert.ok(!holdsNumber(`${e.url} ${e.title} ${e.userTypedURL}`), 'a number in the history');
}

const accesses = (number) => execFileSync(CPIS, ['accesses', `${W}/T001`, '-', '--json'], { input: `${number}\n`, encoding: 'utf8' })
  .split('\n').filter((line) => line !== '').length;

const stages = {
  async query() {
    const page = await open(process.env.web_Q01);
    await page.goto(`${page.origin}/lookup`);
    assert.match(page.url(), /\/login$/);
    await look(page, 'login');
    await page.getByLabel('User name').fill('tester');
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('There is a problem').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.className), 'nhsuk-error-summary');
    await look(page, 'login-refused');
    await logIn(page);
    await look(page, 'lookup');

    const says = page.locator('#nhs_number-check');
    for (const [typed, text] of [['999000001', /9 of 10/], ['9990000019', /check digit is wrong/], ['999 000 0018', /can be an NHS number/]]) {
      await page.getByLabel('NHS number').fill(typed);
      await says.filter({ hasText: text }).waitFor();
    }
    await page.getByLabel('NHS number').fill('9990000019');
    await page.getByLabel('Where you are').fill('');
    await page.getByRole('button', { name: 'Look up' }).click();
    await page.getByText('There is a problem').waitFor();
    await look(page, 'lookup-errors');
    await page.getByRole('link', { name: /check digit/ }).click();
    assert.equal(await page.evaluate(() => document.activeElement.id), 'nhs_number');

    // by keyboard alone: the skip link, the number, why, send
    await page.goto(`${page.origin}/lookup`);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to main content');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'nhs_number');
    await page.keyboard.type(shown(FLAGGED));
    await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    const before = accesses(FLAGGED);
    await page.keyboard.press('Enter');
    await page.locator('.cpis-verdict').waitFor();
    assert.equal(await page.locator('h1').innerText(), 'FLAG');
    assert.match(await page.locator('main').innerText(), /child protection plan since/i);
    assert.equal(await page.locator('a[href="tel:02079460101"]').count(), 1);
    await look(page, 'verdict-flag');
    await page.emulateMedia({ media: 'print' });
    await page.screenshot({ path: join(SCREENSHOTS, 'verdict-flag-print.png'), fullPage: true });
    assert.equal(await page.locator('header').isVisible(), false);
    await page.emulateMedia({ media: null });

    // loading it again, and going back to it, is no second look
    await page.reload();
    assert.equal(await page.locator('h1').innerText(), 'FLAG');
    await page.getByRole('link', { name: 'Look up another child' }).click();
    await page.goBack();
    assert.equal(await page.locator('h1').innerText(), 'FLAG');
    for (let i = 0; i < 50 && accesses(FLAGGED) === before; i += 1) await page.waitForTimeout(100);
    assert.equal(accesses(FLAGGED), before + 1);

    assert.equal(await lookUp(page, NOBODY), 'INCOMPLETE');
    assert.match(await page.locator('main').innerText(), /This is not "no flag"/);
    assert.equal(await page.locator('a[href="tel:02079460104"]').count(), 1);
    await look(page, 'verdict-incomplete');
    await page.goto(`${page.origin}/federation`);
    await look(page, 'node-query');
    await page.goto(`${page.origin}/password`);
    await look(page, 'password');
    await page.goto(`${page.origin}/nowhere`);
    assert.equal(await page.locator('h1').innerText(), 'There is no such page');
    page.problems = page.problems.filter((p) => !/404/.test(p));
    await look(page, 'not-found');
    await historyIsClean(page);

    // somebody else's answer is nobody's, while it is kept; a log-out ends what was kept
    assert.equal(await lookUp(page, FLAGGED, 'Planned care'), 'FLAG');
    const answer = page.url();
    const other = await open(process.env.web_Q01);
    await logIn(other, 'other');
    await isNotKept(other, answer);
    await page.reload();
    assert.equal(await page.locator('h1').innerText(), 'FLAG'); // still there, for who asked
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByText('You are logged out').waitFor();
    await look(page, 'logged-out');
    await page.goto(answer);
    assert.match(page.url(), /\/login$/);
    await logIn(page);
    await isNotKept(page, answer);
    page.problems = page.problems.filter((p) => !/404/.test(p));
    await look(page, 'not-kept');

    // without scripts it all works
    const bare = await open(process.env.web_Q01, { javaScriptEnabled: false });
    await logIn(bare);
    assert.equal(await lookUp(bare, FLAGGED, 'Planned care'), 'FLAG');
  },

  async none() {
    const page = await open(process.env.web_Q01);
    await logIn(page);
    assert.equal(await lookUp(page, NOBODY), 'NO FLAG');
    assert.match(await page.locator('main').innerText(), /As of .*\(London time\)[\s\S]*Authorities searched: 4 of 4/);
    await look(page, 'verdict-no-flag');
  },

  async details() {
    const page = await open(process.env.web_Q01);
    await logIn(page);
    assert.equal(await lookUp(page, STOPPED), 'FLAG - DETAILS TO FOLLOW');
    assert.equal(await page.locator('a[href="tel:02079460102"]').count(), 1);
    await look(page, 'verdict-details');
  },

  async unknown() {
    const page = await open(process.env.web_Q01);
    await logIn(page);
    assert.equal(await lookUp(page, NOBODY), 'UNKNOWN');
    assert.match(await page.locator('main').innerText(), /This is not "no flag"/);
    await look(page, 'verdict-unknown');
  },

  async authority() {
    const page = await open(process.env.web_T001);
    await logIn(page);
    assert.match(page.url(), /\/inbox$/);
    await look(page, 'inbox');
    const unopened = Number(await page.locator('#unopened').innerText());
    try { // exit 10: a flag
      execFileSync(CPIS, ['lookup', `${W}/Q01`, '-', '--user', 'Other NURSE', '--setting', 'walk-in centre'],
        { input: `${FLAGGED}\n`, stdio: ['pipe', 'ignore', 'inherit'] });
    } catch (e) { assert.equal(e.status, 10); }
    await page.getByText('There are new notifications').waitFor(); // by itself
    assert.equal(Number(await page.locator('#unopened').innerText()), unopened + 1);
    await look(page, 'inbox-live');
    await page.getByRole('link', { name: 'Show them' }).click();
    await page.getByText('Other NURSE').waitFor();
    await page.getByRole('button', { name: /^Seen/ }).first().click();
    await page.getByText(/Notification \d+ is marked as seen/).waitFor();
    await look(page, 'inbox-seen');
    await page.getByRole('link', { name: 'Seen', exact: true }).click();
    await page.getByRole('link', { name: /open this notification/ }).first().click();
    await look(page, 'notification');
    await page.getByRole('button', { name: /^Dealt with/ }).click();
    await page.locator('dd').filter({ hasText: 'Dealt with' }).waitFor();
    await page.getByRole('button', { name: /The child's record/ }).click();
    await page.getByText('Everybody who has looked').waitFor();
    await look(page, 'child');
    await page.goto(`${page.origin}/child`);
    await look(page, 'child-find');
    await page.goto(`${page.origin}/imports`);
    await look(page, 'imports');
    await page.getByRole('link', { name: 'week 49.csv' }).click();
    await page.getByText('Rows that failed').waitFor();
    await look(page, 'import-report');
    await page.goto(`${page.origin}/quality`);
    await page.getByText(/to look at, of/).waitFor();
    await look(page, 'quality');
    await page.goto(`${page.origin}/federation`);
    await look(page, 'node-authority');
    await historyIsClean(page);

    // a stream that is refused does not come back by itself: the page says what to do
    const refused = await open(process.env.web_T001);
    await refused.route('**/live', (r) => r.fulfill({ status: 503, body: '' }));
    await logIn(refused);
    await refused.getByText('Load this page again').waitFor();

    // who logs out in one window is told so in the other
    await page.goto(`${page.origin}/inbox`);
    const other = await page.context().newPage();
    await other.goto(`${page.origin}/inbox`);
    await other.getByRole('button', { name: 'Log out' }).click();
    await other.getByText('You are logged out').waitFor();
    await page.getByText('this page is not live any more').waitFor();
  },

  async directory() {
    const page = await open(process.env.web_D01);
    await logIn(page);
    assert.match(page.url(), /\/federation$/);
    await page.getByText('Enough').waitFor();
    await look(page, 'federation');

    // whose password somebody else has chosen sees nothing before there is another one
    const fresh = await open(process.env.web_D01);
    await logIn(fresh, 'fresh');
    assert.match(fresh.url(), /\/password$/);
    await look(fresh, 'password-first');
    await fresh.goto(`${fresh.origin}/federation`);
    assert.match(fresh.url(), /\/password$/);
    for (const [was, will] of [['another', 'nine copper kettles'], [PASSWORD, 'short'], [PASSWORD, 'nine copper kettles']]) {
      await fresh.getByLabel('Password now').fill(was);
      await fresh.getByLabel('New password', { exact: true }).fill(will);
      await fresh.getByLabel('New password again').fill(will);
      await fresh.getByRole('button', { name: 'Change password' }).click();
      await fresh.getByText(will.length < 12 || was !== PASSWORD ? 'There is a problem' : 'Holders of a key share there').waitFor();
    }
    assert.match(fresh.url(), /\/federation$/);

    for (const pid of rest) process.kill(Number(pid), 'SIGKILL');
    await page.getByText('Too few').waitFor({ timeout: 60000 }); // by itself
    await look(page, 'federation-too-few');
  },
};

try {
  assert.ok(stages[stage], `no stage ${stage}`);
  await stages[stage]();
} finally {
  await browser.close();
}
