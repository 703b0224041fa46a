import assert from "node:assert/strict";
import { test } from "node:test";
import { type CrontabFileFacts, distrust, jobFileKind, whyNoJobFile } from "./cron-directory.ts";

test("a crontab has a name without dots, as in /etc/cron.d; jobs in YAML and the system form have an ending", () => {
  const kinds = [
    "X-1_y",
    "web",
    "web.yaml",
    "web.yml",
    "web.system",
    "README",
    "a.b",
    ".x",
    "x~",
    "web.dpkg-new",
    "",
    "a b",
  ];
  assert.deepEqual(kinds.map(jobFileKind), [
    "crontab",
    "crontab",
    "yaml",
    "yaml",
    "system crontab",
    ...Array<null>(7).fill(null),
  ]);
});

test("a file that looks like somebody's jobs and is not read says why; what editors leave behind says nothing", () => {
  assert.match(whyNoJobFile("backup.sh")?.fix ?? "", /rename it/);
  assert.match(whyNoJobFile("my job")?.what ?? "", /`my job` is not read/);
  for (const name of ["x~", ".x.swp", "x.bak", "x.dpkg-old", "#x#", "web", "README"]) {
    assert.equal(whyNoJobFile(name), null, name);
  }
});

test("a crontab that others could have written is not trusted", () => {
  const good: CrontabFileFacts = { isRegular: true, uid: 0, mode: 0o644, links: 1, linkUid: null };
  const why = (changes: Partial<CrontabFileFacts>, owner = 0) => distrust({ ...good, ...changes }, owner)?.what ?? null;
  assert.equal(why({}), null);
  assert.equal(why({ linkUid: 0 }), null);
  assert.equal(why({ uid: 1000 }, 1000), null);
  assert.match(why({ uid: 1000 })!, /belongs to uid 1000, not to root/);
  assert.match(why({ mode: 0o666 })!, /others may write it \(mode 0666\)/);
  assert.match(why({ mode: 0o664 })!, /mode 0664/);
  assert.equal(why({ uid: 1000, mode: 0o664 }, 1000), null); // How a home with umask 002 makes every file.
  assert.match(why({ uid: 1000, mode: 0o666 }, 1000)!, /mode 0666/);
  assert.match(why({ links: 2 })!, /2 hard links/);
  assert.match(why({ linkUid: 1000 })!, /the symbolic link belongs to uid 1000/);
  assert.match(why({ isRegular: false })!, /no regular file/);
});
