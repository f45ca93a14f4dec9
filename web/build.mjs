// Builds the pages into ../api/static, where the wheel takes them from.
// Nothing here or in its output asks the network for anything.
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.join(here, "../api/static/console");
const assets = path.join(out, "assets");
const modules = path.join(here, "node_modules");

/**
 * The most each part may weigh once gzipped, in bytes. The shell is what a visitor waits for before
 * the first paint; the map and its worker load beside it. Raise a number only with a reason.
 */
const BUDGET_BYTES = {
  shell: 32_000, // interface, catalogues and state: 1 s on a slow 3G connection
  style: 20_000, // our design system and MapLibre's own style sheet
  map: 310_000, // MapLibre 6 alone is 291 kB
  worker: 160_000, // MapLibre's worker, copied as it is
  font: 52_000, // one variable face, Latin
};

/** Packages whose code or files end up in the output; their licences go along. */
const SHIPPED = [
  "preact",
  "@preact/signals",
  "@preact/signals-core",
  "maplibre-gl",
  "@fontsource-variable/inter",
];

const hashOf = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 10);

/** Copies a file under a name that carries its hash, so that it can be cached for ever. */
async function copyHashed(from, name, extension) {
  const bytes = await readFile(from);
  const file = `${name}-${hashOf(bytes)}${extension}`;
  await writeFile(path.join(assets, file), bytes);
  return file;
}

async function licences() {
  const parts = [];
  for (const name of SHIPPED) {
    const folder = path.join(modules, name);
    const { version } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} ships no licence text`);
    const text = await readFile(path.join(folder, file), "utf8");
    parts.push(`${name} ${version}\n${"-".repeat(60)}\n${text.trim()}\n`);
  }
  await writeFile(path.join(assets, "THIRD-PARTY.txt"), parts.join("\n\n"));
}

async function bundle(workerFile) {
  const result = await esbuild.build({
    absWorkingDir: here,
    entryPoints: { live: "src/live/main.tsx" },
    outdir: assets,
    bundle: true,
    splitting: true,
    format: "esm",
    target: ["chrome115", "firefox115", "safari16.4"],
    jsx: "automatic",
    jsxImportSource: "preact",
    minify: true,
    metafile: true,
    legalComments: "eof",
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    loader: { ".woff2": "file" },
    define: { MAP_WORKER_FILE: JSON.stringify(workerFile) },
    logLevel: "warning",
  });
  return result.metafile.outputs;
}

/** Finds what the entry point needs at once and what it loads later, from esbuild's own account. */
function parts(outputs) {
  const entries = Object.entries(outputs).map(([file, info]) => [path.basename(file), info]);
  const [entryFile, entry] = entries.find(([, info]) => info.entryPoint === "src/live/main.tsx");
  const eager = entry.imports
    .filter((i) => i.kind === "import-statement")
    .map((i) => path.basename(i.path));
  const [mapFile, map] = entries.find(([, info]) => info.entryPoint === "src/live/map/view.ts");
  const mapChunks = map.imports
    .filter((i) => i.kind === "import-statement")
    .map((i) => path.basename(i.path))
    .filter((file) => !eager.includes(file));
  return {
    entryFile,
    shell: [entryFile, ...eager],
    map: [mapFile, ...mapChunks],
    style: path.basename(entry.cssBundle),
    font: entries.map(([file]) => file).find((file) => file.endsWith(".woff2")),
  };
}

async function page(found, iconFile) {
  const html = await readFile(path.join(here, "src/live/live.html"), "utf8");
  const preloads = [...found.shell.slice(1), ...found.map]
    .map((file) => `<link rel="modulepreload" href="assets/${file}">`)
    .join("\n    ");
  const filled = html
    .replace("{{script}}", `assets/${found.entryFile}`)
    .replace("{{style}}", `assets/${found.style}`)
    .replace("{{font}}", `assets/${found.font}`)
    .replace("{{icon}}", `assets/${iconFile}`)
    .replace("{{preloads}}", preloads);
  await writeFile(path.join(out, "live.html"), filled);
}

async function weigh(files) {
  let total = 0;
  for (const file of files) {
    const full = path.join(assets, file);
    // A font is compressed already, so its size on disk is what travels.
    total += file.endsWith(".woff2")
      ? (await stat(full)).size
      : gzipSync(await readFile(full)).length;
  }
  return total;
}

async function keepToBudget(found, workerFile) {
  const weights = {
    shell: await weigh(found.shell),
    style: await weigh([found.style]),
    map: await weigh(found.map),
    worker: await weigh([workerFile]),
    font: await weigh([found.font]),
  };
  const over = Object.entries(weights).filter(([part, bytes]) => bytes > BUDGET_BYTES[part]);
  for (const [part, bytes] of Object.entries(weights)) {
    console.log(
      `${part.padEnd(7)} ${String(bytes).padStart(7)} of ${BUDGET_BYTES[part]} bytes gzipped`,
    );
  }
  if (over.length > 0) throw new Error(`over budget: ${over.map(([part]) => part).join(", ")}`);
}

await rm(out, { recursive: true, force: true });
await mkdir(assets, { recursive: true });
const workerFile = await copyHashed(
  path.join(modules, "maplibre-gl/dist/maplibre-gl-worker.mjs"),
  "maplibre-worker",
  ".js",
);
const found = parts(await bundle(workerFile));
const iconFile = await copyHashed(path.join(here, "src/design/beacon.svg"), "beacon", ".svg");
await page(found, iconFile);
await licences();
await keepToBudget(found, workerFile);
