// Reads manifests from standard input and holds each to the schema of its kind: kubectl kustomize deploy/kubernetes | node check.mjs
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { loadAll } from 'js-yaml';

const require = createRequire(import.meta.url);
const packageOf = apiVersion => apiVersion.startsWith('gateway.networking.k8s.io/') ? '@kubernetes-models/gateway-api' : 'kubernetes-models';
let count = 0;
for (const manifest of loadAll(readFileSync(0, 'utf8'))) {
  const name = `${manifest?.kind} ${manifest?.metadata?.name}`;
  try {
    const kind = require(`${packageOf(manifest.apiVersion)}/${manifest.apiVersion}`)[manifest.kind];
    new kind(manifest).validate();
    count++;
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    process.exitCode = 1;
  }
}

console.log(`${count} manifests agree with their schemas`);
if (count === 0) {
  process.exitCode = 1;
}
