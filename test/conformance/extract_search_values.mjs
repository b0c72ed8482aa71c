/*
 * What a client would search for: for each resource and each published search parameter of its type the query strings
 * that must find it. The values are extracted by npm fhirpath with its R4 model; nothing of the program under test is used.
 *
 *   node extract_search_values.mjs PACKAGE_FOLDER MAX_VALUES < names of files   > one JSON line each:
 *   {"file", "type", "id", "queries": [[param, "param=value", ...], ...], "faults": [...]}
 *
 * Spec: FHIR R4 search, http://hl7.org/fhir/R4/search.html.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(import.meta.url);
const fhirpath = require("fhirpath");
const model = require("fhirpath/fhir-context/r4");

const [folder, maxValues] = [process.argv[2], Number(process.argv[3] || 3)];

/* `resolve() is Patient` asks a server; the reference says its type as well. */
const userInvocationTable = {
  refersTo: {
    fn: (inputs, type) => inputs.filter((r) => new RegExp(`(^|/)${type}/[A-Za-z0-9.-]+(/_history/.+)?$`).test(data(r).reference ?? "")
      || data(r).type === type),
    arity: { 0: [], 1: ["String"] },
  },
};

function data(node) {
  return node?.convertData ? node.data : node;
}

const options = { userInvocationTable, resolveInternalTypes: false };

/* The published expressions use `as` on several values, where only ofType is defined. */
function translated(expression) {
  return expression.replace(/\.where\(resolve\(\) is (\w+)\)/g, ".refersTo('$1')").replace(/\bas\((\w+)\)/g, "ofType($1)")
    .replace(/ as (\w+)\)/g, ".ofType($1))").replace(/^(.*) as (\w+)$/, "($1).ofType($2)");
}

function compile(expression) {
  const local = translated(expression);
  return fhirpath.compile(local, model, options);
}

/* ---- The published parameters ------------------------------------------------------------------------------------ */

const published = JSON.parse(readFileSync(join(folder, "Bundle-searchParams.json"), "utf8")).entry.map((e) => e.resource);
const byUrl = new Map(published.map((p) => [p.url, p]));
const programs = new Map();

function program(expression) {
  if (!programs.has(expression)) programs.set(expression, compile(expression));
  return programs.get(expression);
}

/* Only the branches of a union that can apply: "Patient.name | Practitioner.name". A branch in brackets has no other type. */
function branchesFor(expression, type) {
  const parts = [];
  let depth = 0, from = 0;
  for (let i = 0; i <= expression.length; i++) {
    const c = expression[i];
    if (c === "(") depth++;
    else if (c === ")") depth--;
    else if (i === expression.length || (c === "|" && depth === 0)) {
      parts.push(expression.slice(from, i).trim());
      from = i + 1;
    }
  }
  return parts.filter((part) => new RegExp(`^\\(*(${type}|Resource|DomainResource)\\b`).test(part));
}

const paramsByType = new Map();
function paramsOf(type) {
  if (!paramsByType.has(type))
    paramsByType.set(type, published.filter((p) => p.expression && (p.base.includes(type) || p.base.includes("Resource") || p.base.includes("DomainResource")))
      .map((p) => ({ param: p, branches: branchesFor(p.expression, type) })).filter((p) => p.branches.length > 0));
  return paramsByType.get(type);
}

/* [type, value] of all that an expression gives. */
function values(expression, context) {
  const nodes = program(expression)(context);
  const types = fhirpath.types(nodes);
  return nodes.map((node, i) => [types[i].replace(/^(FHIR|System)\./, ""), data(node)]).filter(([, value]) => value !== null && value !== undefined);
}

/* ---- From values to query strings -------------------------------------------------------------------------------- */

const escape = (s) => String(s).replace(/([\\,|$])/g, "\\$1");
/* The part after '=' is encoded by the caller of this program. */

const tokens = {
  Coding: (v) => v.code ? [...(v.system ? [`=${escape(v.system)}|${escape(v.code)}`, `=${escape(v.system)}|`] : [`=|${escape(v.code)}`]), `=${escape(v.code)}`] : [],
  CodeableConcept: (v) => [...(v.coding ?? []).flatMap(tokens.Coding), ...(v.text ? [`:text=${escape(v.text)}`] : [])],
  Identifier: (v) => v.value ? [...(v.system ? [`=${escape(v.system)}|${escape(v.value)}`] : []), `=${escape(v.value)}`] : [],
  ContactPoint: (v) => v.value ? [`=${escape(v.value)}`] : [],
};

function tokenQueries(type, v) {
  if (tokens[type]) return tokens[type](v);
  return typeof v === "object" ? null : [`=${escape(v)}`];
}

function stringQueries(type, v) {
  const parts = {
    HumanName: () => [v.text, v.family, ...(v.given ?? []), ...(v.prefix ?? []), ...(v.suffix ?? [])],
    Address: () => [v.text, ...(v.line ?? []), v.city, v.district, v.state, v.postalCode, v.country],
  }[type];
  if (!parts && typeof v === "object") return null;
  return (parts ? parts() : [v]).filter((s) => s && s.length <= 500).flatMap((s) => {
    const half = s.slice(0, Math.ceil(s.length / 2)), tail = s.slice(Math.floor(s.length / 3));
    return [`=${escape(s)}`, `:exact=${escape(s)}`, ...(/[\p{L}\p{N}]$/u.test(half) ? [`=${escape(half)}`] : []),
      ...(/^[\p{L}\p{N}]/u.test(tail) ? [`:contains=${escape(tail)}`] : [])];
  });
}

function periodQueries(v) {
  return [...(v.start ? [`=ge${v.start}`] : []), ...(v.end ? [`=le${v.end}`] : [])];
}

function dateQueries(type, v) {
  if (type === "Period") return periodQueries(v);
  if (type === "Timing") return [...(v.event ?? []).map((e) => `=${e}`), ...(v.repeat?.boundsPeriod ? periodQueries(v.repeat.boundsPeriod) : [])];
  if (typeof v !== "string") return null;
  return /^\d{4}(-\d\d)?(-\d\d)?(T.*)?$/.test(v) ? [`=${v}`, `=ge${v}`, `=le${v}`, `=${v.slice(0, 4)}`].slice(0, /T.*[+-]\d\d:\d\d$/.test(v) ? 3 : 4) : [];
}

function referenceQueries(type, v, param) {
  if (v.resourceType) return v.id && param.target?.includes(v.resourceType) ? [`=${v.resourceType}/${v.id}`] : [];
  if (type === "Reference" || v.reference || v.identifier) {
    const queries = v.identifier?.value ? tokens.Identifier(v.identifier).map((q) => `:identifier${q}`) : [];
    if (!v.reference || v.reference.startsWith("#")) return queries;
    queries.push(`=${escape(v.reference)}`);
    const local = /^([A-Z]\w+)\/([A-Za-z0-9.-]{1,64})$/.exec(v.reference);
    if (local) queries.push(`=${local[2]}`, `:${local[1]}=${local[2]}`);
    return queries;
  }
  if (typeof v !== "string") return null;
  if (v.startsWith("#")) return [];
  return [`=${escape(v)}`, ...(v.includes("|") ? [`=${escape(v.split("|")[0])}`] : [])];
}

function quantityQueries(type, v) {
  if (type === "Money") return v.value === undefined ? [] : [`=${v.value}`, ...(v.currency ? [`=${v.value}|urn:iso:std:iso:4217|${v.currency}`] : [])];
  if (type === "Range") return v.low ? quantityQueries("Quantity", v.low).filter((q) => !q.startsWith("=ge")).map((q) => q.replace("=", "=ge")) : [];
  if (typeof v !== "object") return [`=${v}`];
  if (v.value === undefined || v.comparator) return [];
  return [`=${v.value}`, ...(v.system && v.code ? [`=${v.value}|${escape(v.system)}|${escape(v.code)}`] : []),
    ...(v.unit ? [`=${v.value}||${escape(v.unit)}`] : []), ...(v.code ? [`=${v.value}||${escape(v.code)}`] : []), `=ge${v.value}`];
}

const byType = {
  token: tokenQueries,
  string: stringQueries,
  date: dateQueries,
  reference: referenceQueries,
  quantity: quantityQueries,
  number: (type, v) => (typeof v === "object" && v !== null && type !== "decimal" ? null : [`=${v}`]),
  uri: (_, v) => (typeof v === "string" ? [`=${escape(v)}`] : null),
};

/* One value for each component from the same element: "code$value". */
function compositeQueries(param, branch, resource) {
  const queries = [];
  for (const [, element] of branch === param.base[0] || /^\w+$/.test(branch) ? [["", resource]] : values(branch, resource)) {
    const parts = param.component.map((component) => {
      const inner = byUrl.get(component.definition);
      const expression = component.expression;
      const found = element === resource ? values(expression, resource) : valuesInside(branch, element, expression, resource);
      return firstQuery(inner, found);
    });
    if (parts.every(Boolean)) queries.push(`=${parts.join("$")}`);
    if (queries.length >= maxValues) break;
  }
  return queries;
}

/* The values of a component, from an element that a path led to. */
function valuesInside(branch, element, expression, resource) {
  const base = branch.replace(/^\(|\)$/g, ""), key = `${base}\n${expression}`;
  if (!programs.has(key)) programs.set(key, fhirpath.compile({ base, expression: translated(expression) }, model, options));
  const nodes = programs.get(key)(element, { resource });
  const types = fhirpath.types(nodes);
  return nodes.map((node, i) => [types[i].replace(/^(FHIR|System)\./, ""), data(node)]);
}

function firstQuery(param, found) {
  for (const [type, value] of found) {
    const queries = (byType[param.type]?.(type, value, param) ?? []).filter((q) => q.startsWith("=") && !q.endsWith("|"));
    if (queries.length) return queries[0].slice(1);
  }
  return null;
}

/* ---- A resource -------------------------------------------------------------------------------------------------- */

function queriesOf(param, branches, resource) {
  const queries = new Set();
  for (const branch of branches) {
    if (param.type === "composite") {
      compositeQueries(param, branch, resource).forEach((q) => queries.add(q));
      continue;
    }
    for (const [type, value] of values(branch, resource).slice(0, maxValues)) {
      const made = byType[param.type]?.(type, value, param);
      (made ?? []).forEach((q) => queries.add(q));
    }
  }
  return [...queries];
}

function extract(file) {
  const resource = JSON.parse(readFileSync(join(folder, file), "utf8"));
  const faults = [], queries = [];
  for (const { param, branches } of paramsOf(resource.resourceType)) {
    if (param.type === "special" || param.code === "_lastUpdated" || param.code === "_id") continue;
    try {
      const made = queriesOf(param, branches, resource).filter((q) => q.length < 2000);
      if (made.length) queries.push([param.code, param.type, ...made]);
    } catch (error) {
      faults.push(`${param.code}: ${error.message ?? error}`.slice(0, 200));
    }
  }
  return { file, type: resource.resourceType, id: resource.id, queries, faults };
}

for (const file of readFileSync(0, "utf8").split("\n").filter(Boolean))
  process.stdout.write(JSON.stringify(extract(file)) + "\n");
