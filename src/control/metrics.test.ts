import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeDaemon, status } from "./fake-daemon.ts";
import { metrics } from "./metrics.ts";

const NOW = new Date("2026-11-02T10:01:00.000Z");

test("Prometheus reads state, health, uptime, memory and CPU of each service", async () => {
  const lines = (await metrics(new FakeDaemon("web"), NOW)).split("\n");
  for (const line of [
    "svcd_up 1",
    'svcd_info{version="1.2.3"} 1',
    "svcd_services 1",
    "svcd_config_mistakes 4",
    'svcd_service_state{service="web",state="RUNNING"} 1',
    'svcd_service_state{service="web",state="FATAL"} 0',
    'svcd_service_health{service="web"} 1',
    'svcd_service_restarts_total{service="web"} 2',
    'svcd_service_up_seconds{service="web"} 60',
    'svcd_service_cpu_seconds_total{service="web"} 1.5',
    'svcd_service_resident_bytes{service="web"} 1024',
  ]) {
    assert.ok(lines.includes(line), line);
  }
});

test("what is not known is left out, not made up", async () => {
  const daemon = new FakeDaemon();
  daemon.list.push(status("job", { state: "EXITED", pid: null, health: null }));
  const text = await metrics(daemon, NOW);
  assert.match(text, /svcd_service_up_seconds\{service="job"\} 0/);
  for (const absent of ["svcd_service_health{", "svcd_service_cpu", "svcd_service_log_bytes_total{"]) {
    assert.ok(!text.includes(`\n${absent}`.replace("svcd_service_cpu", "svcd_service_cpu_seconds_total{")), absent);
  }
});

test("every family has one HELP and one TYPE, before its samples", async () => {
  const seen = new Set<string>();
  let family = "";
  for (const line of (await metrics(new FakeDaemon("a", "b"), NOW)).trimEnd().split("\n")) {
    if (line.startsWith("# HELP ")) {
      family = line.split(" ")[2]!;
      assert.ok(!seen.has(family), family);
      seen.add(family);
    } else if (line.startsWith("# TYPE ")) {
      assert.match(line, new RegExp(`^# TYPE ${family} (gauge|counter)$`));
    } else {
      assert.match(line, new RegExp(`^${family}(\\{[^}]*\\})? [-0-9.eE+]+$`));
    }
  }
});

test("names cannot break out of a label", async () => {
  const text = await metrics(new FakeDaemon('a"b\\c\nd'), NOW);
  assert.ok(text.includes('svcd_service_wanted{service="a\\"b\\\\c\\nd"} 1\n'));
});
