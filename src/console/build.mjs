// Bundles web/ and writes one C file that holds it. Usage: node build.mjs OUTPUT.c
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const bundle = await build({
  absWorkingDir: here,
  entryPoints: { app: "web/main.tsx", style: "web/app.css" },
  bundle: true,
  minify: true,
  target: "es2021",
  jsx: "automatic",
  jsxImportSource: "preact",
  outdir: "out",
  write: false,
  legalComments: "none",
  logLevel: "warning",
});

const files = [
  ["/", "text/html; charset=utf-8", await readFile(join(here, "web/index.html"))],
  ["/favicon.svg", "image/svg+xml", await readFile(join(here, "web/favicon.svg"))],
];
for (const output of bundle.outputFiles) {
  const name = output.path.endsWith(".css") ? "/app.css" : "/app.js";
  const type = name === "/app.css" ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8";
  files.push([name, type, Buffer.from(output.contents)]);
}

let c = '#include "console/console.h"\n\n';
files.forEach(([, , bytes], i) => {
  c += `static const char bytes_${i}[] = {`;
  for (let at = 0; at < bytes.length; at += 24)
    c += "\n" + [...bytes.subarray(at, at + 24)].map((b) => (b > 127 ? b - 256 : b)).join(",") + ",";
  c += "\n};\n";
});
c += "\nstatic const struct console_file files[] = {\n";
files.forEach(([path, type, bytes], i) => {
  const etag = createHash("sha256").update(bytes).digest("hex").slice(0, 24);
  c += `    {"${path}", "${type}", "\\"${etag}\\"", {bytes_${i}, sizeof bytes_${i}}},\n`;
});
c += `};

const struct console_file *console_files(size_t *ret_n) {
  *ret_n = sizeof files / sizeof files[0];
  return files;
}
`;
await writeFile(process.argv[2], c);
