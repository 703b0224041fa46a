/** The keymap as tables of the page in docs/. */
import { type Keymap, keyLabel, nameOf, type Place } from "./keymap.ts";

const TITLES: Readonly<Record<Place, string>> = {
  services: "A service, or all that are marked",
  jobs: "A job, or all that are marked",
  events: "An event",
  list: "Every list",
  page: "A page in the pane (`Tab` leads there)",
  log: "Every log",
  "one log": "The log of one service or run",
  everywhere: "Everywhere",
};

export function keysPage(keymap: Keymap): string {
  return (Object.keys(TITLES) as Place[])
    .map((place) => {
      const rows = keymap
        .filter((binding) => binding.in === place)
        .map(
          (binding) =>
            `| ${binding.keys.map((key) => `\`${keyLabel(key)}\``).join(" ")} | ${binding.says.replaceAll("|", "\\|")} | \`${nameOf(binding)}\` |`,
        );
      return `### ${TITLES[place]}\n\n| Key | Does | In tui.yaml |\n|---|---|---|\n${rows.join("\n")}\n`;
    })
    .join("\n");
}
