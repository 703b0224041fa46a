/**
 * Which fault struck a service in which state of its life. A pair that can occur and never did was not tested.
 */
import type { StateName } from "../service/life.ts";
import { FAULT_NAMES, FAULTS, type Fault } from "./faults.ts";

export class Coverage {
  readonly #counts = new Map<Fault, Map<StateName, number>>();

  saw(fault: Fault, state: StateName): void {
    let states = this.#counts.get(fault);
    if (states === undefined) {
      states = new Map();
      this.#counts.set(fault, states);
    }
    states.set(state, (states.get(state) ?? 0) + 1);
  }

  count(fault: Fault, state: StateName): number {
    return this.#counts.get(fault)?.get(state) ?? 0;
  }

  /** "core dies × fatal": pairs that can occur and did not. */
  missing(): string[] {
    return FAULT_NAMES.flatMap((fault) =>
      FAULTS[fault].strikes.filter((state) => this.count(fault, state) === 0).map((state) => `${fault} × ${state}`),
    );
  }

  table(): string {
    const states: StateName[] = [
      ...new Set(FAULT_NAMES.flatMap((fault): readonly StateName[] => FAULTS[fault].strikes)),
    ];
    const rows = FAULT_NAMES.map((fault) => [
      fault,
      ...states.map((state) => {
        const count = this.count(fault, state);
        return count > 0 || (FAULTS[fault].strikes as readonly StateName[]).includes(state) ? String(count) : "";
      }),
    ]);
    const head = ["", ...states];
    const widths = head.map((word, column) => Math.max(word.length, ...rows.map((row) => row[column]!.length)));
    return [head, ...rows]
      .map((row) =>
        row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))),
      )
      .map((row) => row.join("  ").trimEnd())
      .join("\n");
  }
}
