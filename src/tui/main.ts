/** What `svctl tui` loads: the UI and what it needs on a terminal of its own. A file of its own in dist/, so that no other command pays for it. */
export { editHere } from "./edge/editor.ts";
export { openTui } from "./open.ts";

/** Most people have none: what reads YAML is loaded for those who do. */
export const settingsReader = () => import("./settings.ts");
