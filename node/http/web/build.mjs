// node build.mjs NHSUK-FRONTEND OUT - puts what browsers get into OUT: each file under a name that holds its hash, so that it
// may be kept for ever, and manifest.json, which tells the program those names. Nothing refers to another host:
// the NHS's own font is licensed for its own pages and served from there, so Arial stands in its place.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [frontend, out] = process.argv.slice(2);
if (!out) {
  console.error('usage: node build.mjs NHSUK-FRONTEND OUT');
  process.exit(2);
}
const design = join(frontend, 'dist/nhsuk');

const { version } = JSON.parse(readFileSync(join(frontend, 'package.json'), 'utf8'));
const notice = `/*! nhsuk-frontend ${version}, NHS England, MIT licence */\n`;
const manifest = {};
const work = `${out}.new`;
rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });

function put(name, bytes) {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const dot = name.lastIndexOf('.');
  const file = `${name.slice(0, dot)}.${hash}${name.slice(dot)}`;
  writeFileSync(join(work, file), bytes);
  manifest[name] = file;
  return file;
}

// Every place that matches becomes what `to` gives; none is a sign that the design system has changed.
function replace(text, pattern, to, what) {
  let count = 0;
  const result = text.replace(pattern, (...match) => {
    count += 1;
    return to(...match);
  });
  if (count === 0) throw new Error(`nhsuk-frontend has changed: ${what} is not there any more`);
  return result;
}

for (const name of ['favicon.ico', 'favicon.svg']) put(name, readFileSync(join(design, 'assets/images', name)));

let css = readFileSync(join(design, 'nhsuk-frontend.min.css'), 'utf8');
css = replace(css, /@font-face\{[^}]*\}/g, () => '', 'its @font-face');
css = replace(css, /Frutiger W01,arial/g, () => 'arial', 'its font');
css = replace(css, /url\(\/assets\/images\/([a-z-]+\.svg)\)/g,
  (_, image) => `url(${manifest[image] ?? put(image, readFileSync(join(design, 'assets/images', image)))})`, 'its icons');
css = css.replace(/\/\*# sourceMappingURL=.*?\*\//g, '');
if (/https?:/.test(css.replace(/http:\/\/www\.w3\.org\/2000\/svg/g, ''))) throw new Error('the style sheet refers to another host');
put('nhsuk-frontend.css', notice + css);

const module = readFileSync(join(design, 'nhsuk-frontend.min.js'), 'utf8').replace(/\/\/# sourceMappingURL=.*/g, '');
const designModule = put('nhsuk-frontend.js', notice + module);

for (const name of readdirSync(join(here, 'src')).sort()) {
  let text = readFileSync(join(here, 'src', name), 'utf8');
  if (name === 'pages.js') text = replace(text, /'\.\/nhsuk-frontend\.js'/g, () => `'./${designModule}'`, 'the import');
  put(name, text);
}

writeFileSync(join(work, 'manifest.json'), `${JSON.stringify(manifest, null, 1)}\n`);
rmSync(out, { recursive: true, force: true });
renameSync(work, out);
console.log(`${out}: ${Object.keys(manifest).length} files`);
