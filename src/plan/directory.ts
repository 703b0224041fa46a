/**
 * Which entries of `services.d` count.
 *
 * A name must look like something a person called a service: that rule alone keeps out what editors and package managers
 * leave behind (`.web.yaml.swp`, `web.yaml~`, `4913`, `.#web.yaml`, `#web.yaml#`, `sedXa3b9`, `web.yaml.dpkg-new`). The rest
 * of the litter that would fit the rule (`web.tmp.yaml`) does not exist in practice, so nothing else is guessed.
 */
const SERVICE_FILE = /^[A-Za-z0-9][\w.@-]*\.(yaml|yml|conf)$/;

/** Looks like somebody's service, and is not: a space, an umlaut, a leading dash, an ending in capitals. */
export function isMisnamed(name: string): boolean {
  return /\.(ya?ml|conf)$/i.test(name) && !isServiceFile(name) && !/^[.#~]/.test(name);
}

export function isServiceFile(name: string): boolean {
  return name.length <= 255 && SERVICE_FILE.test(name);
}

/** The file's name without folders and ending: what its one service is called, and the group of all its services. */
export function stemOf(path: string): string {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(0, dot) : name;
}
