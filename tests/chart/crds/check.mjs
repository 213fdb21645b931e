// Reads objects as a JSON array, and writes for each the list of what is wrong with it.
//
// The packages carry compiled validators, which overlook fields that no schema knows. So each
// object is shown to its validator through a proxy that notes which fields were looked at: a
// field that was not, beside some that were, is unknown.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const MODELS = pathToFileURL(`${process.argv[2]}/node_modules/@kubernetes-models/`);
const SCHEMAS = {
  "keda.sh/v1alpha1": ["keda", "ComGithubKedacoreKedaV2ApisKedaV1alpha1"],
  "gateway.networking.k8s.io/v1": ["gateway-api", "IoK8sSigsGatewayApiApisV1"],
  "monitoring.coreos.com/v1": [
    "prometheus-operator",
    "ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1",
  ],
};

async function validator({ apiVersion, kind }) {
  const [model, prefix] = SCHEMAS[apiVersion];
  const path = new URL(`${model}/_schemas/${prefix}${kind}.js`, MODELS);
  return (await import(path)).validate;
}

function watched(value, path, visits) {
  if (value === null || typeof value !== "object") return value;
  const visit = { path, value, seen: new Set() };
  visits.push(visit);
  const inner = {};
  return new Proxy(value, {
    get(target, key) {
      visit.seen.add(key);
      if (!Object.hasOwn(target, key)) return target[key];
      return (inner[key] ??= watched(target[key], `${path}/${String(key)}`, visits));
    },
  });
}

function unknown(visits) {
  const opened = visits.filter(({ value, seen }) => seen.size > 0 && !Array.isArray(value));
  return opened.flatMap(({ path, value, seen }) =>
    Object.keys(value).filter((key) => !seen.has(key)).map((key) => `${path}/${key}: unknown field`),
  );
}

async function check(object) {
  const validate = await validator(object);
  const visits = [];
  const fits = validate(watched(object, "", visits));
  const told = fits ? [] : validate.errors;
  return told
    .map(({ instancePath, keyword, params }) => `${instancePath}: ${keyword} ${JSON.stringify(params)}`)
    .concat(unknown(visits));
}

const objects = JSON.parse(readFileSync(0, "utf8"));
const answers = [];
for (const object of objects) answers.push(await check(object));
process.stdout.write(JSON.stringify(answers));
