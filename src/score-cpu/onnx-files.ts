/** Whether a directory holds an ONNX model, and which of its files: as `optimum-cli export onnx` and Hugging Face lay them out. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

export interface OnnxFile {
  /** Below the directory; empty when it lies in it. */
  readonly subfolder: string;
  /** Without `.onnx`. */
  readonly name: string;
}

/** Several forms of one model often lie side by side. The whole one first, then what computers without a GPU are quick with. */
const LIKED = ["model", "model_quantized", "model_int8", "model_uint8", "model_q4", "model_bnb4", "model_fp16"];

/** null: there is none, or no such directory. */
export function onnxIn(directory: string): OnnxFile | null {
  for (const subfolder of ["onnx", ""]) {
    const names = filesIn(join(directory, subfolder))
      .filter((file) => file.endsWith(".onnx"))
      .map((file) => file.slice(0, -".onnx".length));
    const name = LIKED.find((liked) => names.includes(liked)) ?? names.sort()[0];
    if (name !== undefined) return { subfolder, name };
  }
  return null;
}

function filesIn(directory: string): string[] {
  try {
    return statSync(directory).isDirectory() ? readdirSync(directory) : [];
  } catch {
    return [];
  }
}
