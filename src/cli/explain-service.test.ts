import assert from "node:assert/strict";
import { test } from "node:test";
import type { LaunchReport } from "../control/daemon.ts";
import { ink } from "./colour.ts";
import { page } from "./explain-service.ts";

const REPORT: LaunchReport = {
  name: "vllm",
  refusal: null,
  argv: [
    { word: "vllm", from: [] },
    { word: "serve", from: [] },
    { word: "org/m", from: ["VLLM_MODEL"] },
    { word: "--hf-overrides", from: ["VLLM_ARGS"] },
    { word: '{"a": 1}', from: ["VLLM_ARGS"] },
  ],
  cwd: "/workspace",
  user: null,
  variables: [
    { name: "VLLM_MODEL", value: "org/m", from: "MODEL_NAME, /etc/environment" },
    { name: "VLLM_ARGS", value: "…", from: "/workspace/.env" },
  ],
  environment: [
    { name: "HF_HOME", value: "/workspace/.hf_home", from: "vllm.yaml:23" },
    { name: "HF_TOKEN", value: "(hidden)", from: "svcd's own environment" },
  ],
  notes: ["6 GPUs, 32 heads: TP 4, 2 GPUs idle; set VLLM_ARGS to choose"],
  warnings: ["--host 0.0.0.0: reachable from outside"],
};

test("explain shows the command as it would be executed, what was decided, and where each part comes from", () => {
  assert.deepEqual(page(REPORT, ink(false)), [
    "vllm: its next start would execute, in /workspace",
    "              vllm serve",
    "  VLLM_MODEL  org/m",
    `  VLLM_ARGS   --hf-overrides '{"a": 1}'`,
    "",
    "6 GPUs, 32 heads: TP 4, 2 GPUs idle; set VLLM_ARGS to choose",
    "careful: --host 0.0.0.0: reachable from outside",
    "",
    "Where its variables come from",
    "  VLLM_MODEL  MODEL_NAME, /etc/environment",
    "  VLLM_ARGS   /workspace/.env",
    "",
    "Environment",
    "  vllm.yaml:23  HF_HOME=/workspace/.hf_home",
    "",
    "From svcd's own environment",
    "  HF_TOKEN=(hidden)",
  ]);
});

test("what could not be started now is said with its cause", () => {
  const refused: LaunchReport = { ...REPORT, refusal: "VLLM_ARGS: the quote ' at character 5 is not closed" };
  assert.deepEqual(page(refused, ink(false)), [
    "vllm: it could not be started now",
    "  VLLM_ARGS: the quote ' at character 5 is not closed",
  ]);
});
