import assert from "node:assert/strict";
import { test } from "node:test";
import { readPortalConfig, readPortalLinks, readPorts } from "./portal-config.ts";
import { readPortalYaml } from "./portal-yaml.ts";
import { inWords } from "./remark.ts";

test("PORTAL_CONFIG is read entry by entry: the name may hold colons", () => {
  const { entries, remarks } = readPortalConfig(
    "localhost:1111:11111:/:Instance Portal|localhost:8000:18000:/docs:vLLM API: v1|127.0.0.1:8080:8080:/terminals/1:Terminal",
  );
  assert.deepEqual(remarks, []);
  assert.deepEqual(
    entries.map(({ name, host, external, internal, path }) => [name, host, external, internal, path]),
    [
      ["Instance Portal", "localhost", 1111, 11111, "/"],
      ["vLLM API: v1", "localhost", 8000, 18000, "/docs"],
      ["Terminal", "127.0.0.1", 8080, 8080, "/terminals/1"],
    ],
  );
});

test("one wrong entry of PORTAL_CONFIG is told with its place and takes no other down", () => {
  const { entries, remarks } = readPortalConfig(
    "localhost:1111:11111:/:Portal|localhost:x:18000:/docs:API|nonsense||localhost:99999:1:/:Far|localhost:1:2:docs:Rel|localhost:5:6:/:Portal|localhost:7:8:/:Last",
  );
  assert.deepEqual(
    entries.map(({ name }) => name),
    ["Portal", "Last"],
  );
  assert.deepEqual(remarks.map(inWords), [
    "PORTAL_CONFIG, entry 2, character 41: `x` is not a port (write a number from 1 to 65535)",
    "PORTAL_CONFIG, entry 3, character 59: it has 1 of the 5 parts (write hostname:external_port:internal_port:path:name)",
    "PORTAL_CONFIG, entry 5, character 79: `99999` is not a port (write a number from 1 to 65535)",
    "PORTAL_CONFIG, entry 6, character 107: `docs` is not a path (begin it with one /)",
    "PORTAL_CONFIG, entry 7, character 116: there is another entry called `Portal` (give one of the two another name)",
  ]);
});

test("AUTH_EXCLUDE and PORTAL_LINKS are read the same way", () => {
  assert.deepEqual(readPorts("8080, 8265,all,", "AUTH_EXCLUDE"), {
    entries: [8080, 8265],
    remarks: [
      {
        is: "mistake",
        where: "AUTH_EXCLUDE, entry 3, character 12",
        what: "`all` is not a port",
        fix: "write a number from 1 to 65535",
      },
    ],
  });
  const links = readPortalLinks("Docs|https://docs.example/|Read me,Bad|ftp://x|y");
  assert.deepEqual(links.entries, [{ label: "Docs", url: "https://docs.example/", description: "Read me" }]);
  assert.equal(links.remarks.length, 1);
});

test("portal.yaml is read application by application, with line and column of what is wrong", () => {
  const read = readPortalYaml(
    `applications:
  vLLM API:
    hostname: localhost
    external_port: 8000
    internal_port: 18000
    open_path: /docs
    name: vLLM API
  Broken:
    hostname: localhost
    external_port: many
    internal_port: 1
  Text: no
  Ray: { external_port: 8265, internal_port: 28265 }
`,
    "/etc/portal.yaml",
  );
  assert.ok(read.isUsable);
  assert.deepEqual(
    read.entries.map(({ name, external, internal, path }) => [name, external, internal, path]),
    [
      ["vLLM API", 8000, 18000, "/docs"],
      ["Ray", 8265, 28265, "/"],
    ],
  );
  assert.deepEqual(read.remarks.map(inWords), [
    "/etc/portal.yaml:10:20: `Broken`, `external_port`: `many` is not a port (write a number from 1 to 65535)",
    "/etc/portal.yaml:12:3: `Text` is not a map (write its hostname, external_port, internal_port, open_path, name)",
  ]);
  for (const text of ["", "applications: {}", "a: [", "applications: 5"]) {
    const unusable = readPortalYaml(text, "p.yaml");
    assert.equal(unusable.isUsable, false, text);
    assert.equal(unusable.remarks.length, 1, text);
  }
});
