// Bundles each test with esbuild (Node 20 does not read TypeScript) and runs Node's test runner.
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const folder = await mkdtemp(path.join(tmpdir(), "balise-web-"));
const names = (await readdir(path.join(here, "test"))).filter((name) => name.endsWith(".test.ts"));
if (names.length === 0) throw new Error("no tests found");
await esbuild.build({
  absWorkingDir: here,
  entryPoints: names.map((name) => path.join("test", name)),
  outdir: folder,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  sourcemap: "inline",
  loader: { ".css": "text" },
  logLevel: "warning",
});
const files = names.map((name) => path.join(folder, name.replace(/\.ts$/, ".mjs")));
const { status } = spawnSync(
  process.execPath,
  ["--enable-source-maps", "--test", "--test-reporter=dot", ...files],
  { stdio: "inherit" },
);
await rm(folder, { recursive: true, force: true });
process.exit(status ?? 1);
