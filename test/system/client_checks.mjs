// Drives the FHIR API with fhir-kit-client, which others wrote. Usage: node client_checks.mjs BASE
// Prints one line of JSON per check: {"name", "error"} (error null when it holds).
import assert from "node:assert/strict";
import Client from "fhir-kit-client";
import CapabilityTool from "fhir-kit-client/lib/capability-tool.js";

const base = process.argv[2];
const client = new Client({ baseUrl: base });
const system = "urn:client";

const patient = (family, more = {}) => ({ resourceType: "Patient", name: [{ family, given: ["Kit"] }], ...more });
const identified = (value, more = {}) => patient(`Family-${value}`, { identifier: [{ system, value }], ...more });
const observation = (reference, more = {}) => ({
  resourceType: "Observation", status: "final", code: { coding: [{ system: "http://loinc.org", code: "8302-2" }] },
  subject: { reference }, ...more,
});
const create = (body, options) => client.create({ resourceType: body.resourceType, body, options });
const response = (answer) => Client.httpFor(answer).response;

/** The HTTP status and the OperationOutcome of what must fail. */
async function refused(promise, status, code) {
  const error = await promise.then(() => assert.fail(`expected ${status}`), (e) => e);
  assert.equal(error.response?.status, status, JSON.stringify(error.response ?? String(error)));
  assert.equal(error.response.data.resourceType, "OperationOutcome");
  if (code) assert.equal(error.response.data.issue[0].code, code);
  return error.response.data;
}

const ids = (bundle) => (bundle.entry ?? []).map((e) => e.resource.id);

/** All pages of a bundle, by its next links. */
async function pages(first) {
  const all = [first];
  for (let page = first; page; page = await client.nextPage({ bundle: page })) if (page !== first) all.push(page);
  return all;
}

const checks = {
  async "the capability statement says what the server can"() {
    const statement = await client.capabilityStatement();
    const tool = new CapabilityTool(statement);
    assert.equal(statement.fhirVersion, "4.0.1");
    for (const code of ["read", "vread", "update", "patch", "delete", "create", "search-type", "history-instance", "history-type"])
      assert.ok(tool.resourceCan("Patient", code), code);
    for (const code of ["transaction", "batch", "search-system", "history-system"]) assert.ok(tool.serverCan(code), code);
    assert.ok(tool.resourceSearch("Patient", "birthdate"));
    assert.ok(tool.searchParamsFor({ resourceType: "Observation" }).includes("code-value-quantity"));
  },
  async "there is no SMART metadata while there is no login"() {
    const found = await client.smartAuthMetadata().catch(() => ({}));
    assert.equal(found.authorizeUrl, undefined);
    assert.equal(found.tokenUrl, undefined);
  },
  async "create, read, vread, update, delete"() {
    const made = await create(patient("First"));
    assert.match(made.id, /^[A-Za-z0-9.-]{1,64}$/);
    const where = { resourceType: "Patient", id: made.id };
    assert.equal(response(made).status, 201);
    assert.equal(response(made).headers.get("location"), `${base}/Patient/${made.id}/_history/1`);
    assert.deepEqual(await client.read(where), made);
    const updated = await client.update({ ...where, body: { ...made, active: true } });
    assert.equal(updated.meta.versionId, "2");
    assert.equal(response(updated).headers.get("etag"), 'W/"2"');
    assert.deepEqual(await client.vread({ ...where, version: "1" }), made);
    assert.equal((await client.read(where)).active, true);
    await client.delete(where);
    await refused(client.read(where), 410, "deleted");
    assert.deepEqual((await client.vread({ ...where, version: "2" })).active, true);
    await client.update({ ...where, body: { ...patient("Back"), id: made.id } });
    assert.equal((await client.read(where)).name[0].family, "Back");
  },
  async "what is not there, not valid or not known is refused with an outcome"() {
    await refused(client.read({ resourceType: "Patient", id: "never" }), 404, "not-found");
    await refused(client.read({ resourceType: "Nonsense", id: "1" }), 404);
    await refused(create({ resourceType: "Patient", nonsense: 1 }), 400);
    await refused(create({ resourceType: "Observation", status: "final" }), 422, "required");
    await refused(client.update({ resourceType: "Patient", id: "a", body: { ...patient("A"), id: "b" } }), 400);
    const outcome = await refused(client.search({ resourceType: "Patient", searchParams: { famly: "x" } }), 400);
    assert.match(outcome.issue[0].diagnostics, /family/);
  },
  async "patch"() {
    const made = await create(patient("Patched"));
    const where = { resourceType: "Patient", id: made.id };
    const patched = await client.patch({
      ...where, JSONPatch: [{ op: "replace", path: "/name/0/family", value: "New" }, { op: "add", path: "/active", value: true }],
    });
    assert.equal(patched.name[0].family, "New");
    assert.equal((await client.read(where)).meta.versionId, "2");
    await refused(client.patch({ ...where, JSONPatch: [{ op: "test", path: "/active", value: false }] }), 422);
    await refused(client.patch({ ...where, JSONPatch: [], options: { headers: { "If-Match": 'W/"1"' } } }), 412);
  },
  async "conditional create, update, delete and versions that must match"() {
    const headers = { "If-None-Exist": `identifier=${system}|cc` };
    const made = await create(identified("cc"), { headers });
    assert.equal(response(made).status, 201);
    const again = await create(identified("cc"), { headers });
    assert.equal(response(again).status, 200);
    assert.equal(again.id, made.id);
    const searchParams = { identifier: `${system}|cu` };
    const first = await client.update({ resourceType: "Patient", searchParams, body: identified("cu") });
    const second = await client.update({ resourceType: "Patient", searchParams, body: identified("cu", { active: true }) });
    assert.equal(second.id, first.id);
    assert.equal(second.meta.versionId, "2");
    const where = { resourceType: "Patient", id: made.id };
    const body = { ...made, gender: "female" };
    await refused(client.update({ ...where, body, options: { headers: { "If-Match": 'W/"9"' } } }), 412, "conflict");
    assert.equal((await client.update({ ...where, body, options: { headers: { "If-Match": 'W/"1"' } } })).meta.versionId, "2");
    await client.request(`Patient?identifier=${system}|cu`, { method: "DELETE" });
    await refused(client.read({ resourceType: "Patient", id: first.id }), 410);
    await create(identified("twice"));
    await create(identified("twice"));
    await refused(client.update({ resourceType: "Patient", searchParams: { identifier: `${system}|twice` }, body: identified("twice") }), 412, "multiple-matches");
  },
  async "search by GET and by POST, on a type, in a compartment and on the system"() {
    const subject = await create(identified("search", { birthDate: "1970-05-01" }));
    const seen = await create(observation(`Patient/${subject.id}`));
    const searchParams = { family: "Family-search", birthdate: ["ge1970", "lt1971"] };
    for (const options of [{}, { postSearch: true }]) {
      assert.deepEqual(ids(await client.search({ resourceType: "Patient", searchParams, options })), [subject.id]);
      assert.deepEqual(ids(await client.resourceSearch({ resourceType: "Observation", searchParams: { "subject:Patient.family": "Family-search" }, options })), [seen.id]);
      assert.deepEqual(ids(await client.compartmentSearch({
        resourceType: "Observation", compartment: { resourceType: "Patient", id: subject.id }, searchParams: { code: "8302-2" }, options,
      })), [seen.id]);
      const both = await client.systemSearch({ searchParams: { _id: `${subject.id},${seen.id}`, _type: "Patient,Observation" }, options });
      assert.deepEqual(ids(both).sort(), [subject.id, seen.id].sort());
    }
    const included = await client.search({ resourceType: "Observation", searchParams: { _id: seen.id, _include: "Observation:subject" } });
    assert.deepEqual(included.entry.map((e) => [e.resource.resourceType, e.search.mode]), [["Observation", "match"], ["Patient", "include"]]);
    const short = await client.search({ resourceType: "Patient", searchParams: { _id: subject.id, _elements: "birthDate" } });
    assert.equal(short.entry[0].resource.name, undefined);
    const count = await client.search({ resourceType: "Patient", searchParams: { family: "Family-search", _summary: "count" } });
    assert.equal(count.total, 1);
    assert.equal(count.entry, undefined);
  },
  async "pages are followed by their links and neither skip nor repeat"() {
    for (let i = 0; i < 7; i++) await create(patient("Paged", { identifier: [{ system, value: `page-${i}` }] }));
    const first = await client.search({ resourceType: "Patient", searchParams: { family: "Paged", _count: 3 } });
    await create(patient("Paged"));
    const all = await pages(first);
    const seen = all.flatMap(ids);
    assert.ok(seen.length >= 7 && new Set(seen).size === seen.length);
    assert.deepEqual(all.slice(0, 2).map((p) => p.entry.length), [3, 3]);
    assert.equal(await client.prevPage({ bundle: first }), undefined);
    assert.equal(await client.nextPage({ bundle: all.at(-1) }), undefined);
  },
  async "history of an instance, a type and the system"() {
    const made = await create({ resourceType: "Basic", code: { text: "one" } });
    const where = { resourceType: "Basic", id: made.id };
    await client.update({ ...where, body: { ...made, code: { text: "two" } } });
    await client.delete(where);
    const own = await client.resourceHistory(where);
    assert.equal(own.type, "history");
    assert.deepEqual(own.entry.map((e) => e.request.method), ["DELETE", "PUT", "POST"]);
    assert.deepEqual((await client.history(where)).entry.length, 3);
    assert.deepEqual((await client.typeHistory({ resourceType: "Basic" })).entry.length, 3);
    const whole = await client.systemHistory();
    assert.deepEqual(whole.entry.slice(0, 3).map((e) => e.request.url.split("/")[0]), ["Basic", "Basic", "Basic"]);
    const page = await client.request(`Basic/${made.id}/_history?_count=2`);
    assert.deepEqual((await pages(page)).map((p) => p.entry.length), [2, 1]);
  },
  async "batch: each entry by itself"() {
    const body = {
      resourceType: "Bundle", type: "batch",
      entry: [
        { request: { method: "POST", url: "Patient" }, resource: patient("Batch") },
        { request: { method: "GET", url: "Patient/never" } },
        { request: { method: "GET", url: "Patient?family=Batch" } },
      ],
    };
    const answer = await client.batch({ body });
    assert.equal(answer.type, "batch-response");
    assert.deepEqual(answer.entry.map((e) => e.response.status.slice(0, 3)), ["201", "404", "200"]);
    assert.equal(answer.entry[1].response.outcome.resourceType, "OperationOutcome");
  },
  async "transaction: all or nothing, references resolved"() {
    const link = "urn:uuid:6f8a8a39-4b3c-4f0e-9f5b-3d1cf2c0a001";
    const entry = [
      { fullUrl: link, request: { method: "POST", url: "Patient", ifNoneExist: `identifier=${system}|tx` }, resource: identified("tx") },
      { request: { method: "POST", url: "Observation" }, resource: observation(link) },
      { request: { method: "POST", url: "Observation" }, resource: observation(`Patient?identifier=${system}|cc`) },
    ];
    const answer = await client.transaction({ body: { resourceType: "Bundle", type: "transaction", entry } });
    const [subject, first, second] = answer.entry.map((e) => e.response.location.split("/_history")[0].split("/").slice(-2).join("/"));
    assert.equal((await client.request(first)).subject.reference, subject);
    assert.match((await client.request(second)).subject.reference, /^Patient\//);
    entry[1].resource.status = "nonsense";
    entry[0].resource = identified("tx2");
    entry[0].request = { method: "POST", url: "Patient" };
    await refused(client.transaction({ body: { resourceType: "Bundle", type: "transaction", entry } }), 422);
    assert.equal((await client.search({ resourceType: "Patient", searchParams: { identifier: `${system}|tx2`, _summary: "count" } })).total, 0);
  },
  async "operations by GET and POST, on the system, a type and an instance"() {
    const subject = await create(identified("ops", { meta: { tag: [{ system, code: "red" }] } }));
    const seen = await create(observation(`Patient/${subject.id}`));
    const where = { resourceType: "Patient", id: subject.id };
    for (const method of ["GET", "POST"]) {
      const everything = await client.operation({ name: "everything", ...where, method });
      assert.deepEqual(ids(everything).sort(), [subject.id, seen.id].sort(), method);
    }
    const some = await client.operation({ name: "everything", ...where, method: "GET", input: { _type: "Observation" } });
    assert.ok(ids(some).includes(seen.id));
    const meta = await client.operation({ name: "meta", ...where, method: "GET" });
    assert.deepEqual(meta.parameter[0].valueMeta.tag, [{ system, code: "red" }]);
    const add = { resourceType: "Parameters", parameter: [{ name: "meta", valueMeta: { tag: [{ system, code: "blue" }] } }] };
    await client.operation({ name: "$meta-add", ...where, input: add });
    assert.equal((await client.read(where)).meta.tag.length, 2);
    await client.operation({ name: "$meta-delete", ...where, input: add });
    assert.equal((await client.read(where)).meta.tag.length, 1);
    for (const place of [{}, { resourceType: "Patient" }])
      assert.equal((await client.operation({ name: "meta", ...place, method: "GET" })).resourceType, "Parameters");
    const bad = { resourceType: "Parameters", parameter: [{ name: "resource", resource: { resourceType: "Patient", nonsense: 1 } }] };
    const outcome = await client.operation({ name: "validate", resourceType: "Patient", input: bad });
    assert.equal(outcome.resourceType, "OperationOutcome");
    assert.ok(outcome.issue.some((i) => i.severity === "error"));
    await refused(client.operation({ name: "nonsense", ...where, method: "GET" }), 404);
  },
  async "GraphQL, by GET and POST, on the system and an instance"() {
    const subject = await create(identified("graph"));
    const query = "{ id name { family } }";
    const wanted = { data: { id: subject.id, name: [{ family: "Family-graph" }] } };
    const where = { resourceType: "Patient", id: subject.id };
    const headers = { "Content-Type": "application/json" };
    assert.deepEqual(await client.operation({ name: "graphql", ...where, method: "GET", input: { query } }), wanted);
    assert.deepEqual(await client.operation({ name: "graphql", ...where, input: { query }, options: { headers } }), wanted);
    const listed = await client.operation({ name: "graphql", input: { query: '{ PatientList(family: "Family-graph") { id } }' }, options: { headers } });
    assert.deepEqual(listed, { data: { PatientList: [{ id: subject.id }] } });
  },
  async "references: relative, absolute, contained and in a bundle"() {
    const subject = await create(identified("resolve"));
    const seen = await create(observation(`Patient/${subject.id}`, {
      contained: [{ resourceType: "Practitioner", id: "p", active: true }], performer: [{ reference: "#p" }],
    }));
    assert.equal((await client.resolve({ reference: seen.subject.reference })).id, subject.id);
    assert.equal((await client.resolve({ reference: `${base}/Patient/${subject.id}` })).id, subject.id);
    assert.equal((await client.resolve({ reference: "#p", context: seen })).active, true);
    const found = await client.search({ resourceType: "Observation", searchParams: { _id: seen.id, _include: "Observation:subject" } });
    const reference = found.entry[0].resource.subject.reference;
    assert.equal(await client.resolve({ reference, context: found }), found.entry[1].resource);
  },
  async "Prefer says what a write answers with"() {
    const wants = (value) => ({ headers: { Prefer: `return=${value}` } });
    const minimal = await create(patient("Minimal"), wants("minimal"));
    assert.equal(response(minimal).status, 201);
    assert.equal(minimal.resourceType, undefined);
    assert.ok(response(minimal).headers.get("location"));
    assert.equal((await create(patient("Whole"), wants("representation"))).resourceType, "Patient");
    assert.equal((await create(patient("Outcome"), wants("OperationOutcome"))).resourceType, "OperationOutcome");
    const lenient = { headers: { Prefer: "handling=lenient" } };
    const found = await client.search({ resourceType: "Patient", searchParams: { nonsense: "x", family: "Whole" }, options: lenient });
    assert.equal(found.entry.at(-1).search.mode, "outcome");
  },
  async "what has not changed is not sent again"() {
    const made = await create(patient("Cached"));
    const headers = { "If-None-Match": 'W/"1"' };
    const answer = await client.read({ resourceType: "Patient", id: made.id, options: { headers } }).then((a) => response(a).status, (e) => e.response.status);
    assert.equal(answer, 304);
  },
  async "many at once"() {
    const made = await Promise.all(Array.from({ length: 50 }, (_, i) => create(patient(`Many-${i}`))));
    assert.equal(new Set(made.map((m) => m.id)).size, 50);
    const read = await Promise.all(made.map((m) => client.read({ resourceType: "Patient", id: m.id })));
    assert.deepEqual(read, made);
  },
};

for (const [name, check] of Object.entries(checks)) {
  let error = null;
  try {
    await check();
  } catch (e) {
    error = `${e.stack ?? JSON.stringify(e)}`.slice(0, 2000);
  }
  console.log(JSON.stringify({ name, error }));
}
process.exit(0);
