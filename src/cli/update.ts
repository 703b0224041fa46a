/** `svctl update`: supervisorctl's name for apply. */
export { details, run } from "./apply.ts";
