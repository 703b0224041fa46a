/**
 * Common causes of failure, recognised in what a program said last: a table from the words of runtimes and libraries to
 * one sentence about the cause and one about what to do. A program that said something else is quoted, never guessed at.
 */
import { MODEL_RULES } from "./causes-models.ts";
import { describeHolder, type PortHolder, portHolder, processName } from "./port-holder.ts";

export interface Finding {
  /** "port 8000 is held by pid 4121 (python3)" */
  readonly cause: string;
  /** What the person can do, as a sentence. */
  readonly advice: string;
}

export interface Said {
  readonly service: string;
  /** The last lines of output, oldest first, as `lastLines` gives them. */
  readonly lines: readonly string[];
}

/** How the machine is asked; another in tests. */
export interface Machine {
  portHolder(port: number): PortHolder | null;
  /** "pid 4711 (python3)", with its service if it has one; null: it is gone, or not to be seen from here. */
  processName?(pid: number): string | null;
}

/** The newest line that a rule knows decides; null: none does. */
export function recognise(said: Said, machine: Machine = { portHolder, processName }): Finding | null {
  for (let at = said.lines.length - 1; at >= 0; at--) {
    const finding = meaningOf(said, at, machine);
    if (finding !== null) return finding;
  }
  return null;
}

/** Of one line; null: no rule knows it. */
function meaningOf({ service, lines }: Said, at: number, machine: Machine): Finding | null {
  for (const { says, means } of RULES) {
    const match = says.exec(lines[at] as string);
    if (match === null) continue;
    const near = lines.slice(Math.max(0, at - 3), at + 5);
    const understand = (above: number): Finding | null =>
      above < at ? meaningOf({ service, lines }, above, machine) : null;
    return means({ match, service, machine, near, lines, at, understand });
  }
  return null;
}

export interface Heard {
  readonly match: RegExpExecArray;
  readonly service: string;
  readonly machine: Machine;
  /** The line itself and its neighbours: a traceback tells its story over several (Node's `port:` is the 4th after `code:`). */
  readonly near: readonly string[];
  /** All that was said, and where in it the line stands. */
  readonly lines: readonly string[];
  readonly at: number;
  /** What a line further up means, for one that says that the cause stands above. */
  readonly understand: (above: number) => Finding | null;
}

export interface Rule {
  readonly says: RegExp;
  readonly means: (heard: Heard) => Finding;
}

/** From the particular to the general: the first rule that knows a line speaks for it. */
const RULES: readonly Rule[] = [
  ...MODEL_RULES,
  {
    // Node, Python, Go, nginx, Java, C.
    says: /EADDRINUSE|address already in use|only one usage of each socket address|\[Errno 98\]/i,
    means: ({ match, service, machine, near }) => {
      const port = portIn([match.input, ...near]);
      if (port === null) {
        return {
          cause: "the address it wants to listen on is already in use",
          advice: `find out which port ${service} uses and who holds it: ss -ltnp`,
        };
      }
      const holder = machine.portHolder(port);
      if (holder === null) {
        return {
          cause: `port ${port} was in use when it started; nobody holds it now`,
          advice: `svctl start ${service}`,
        };
      }
      const who = describeHolder(holder);
      return {
        cause: `port ${port} is held by ${who}`,
        advice:
          holder.service === null
            ? `stop ${holder.pid === null ? `what holds port ${port}` : `pid ${holder.pid}`}, or give ${service} another port`
            : `give ${service} or ${holder.service} another port`,
      };
    },
  },
  {
    says: /No CUDA GPUs are available|no CUDA-capable device is detected|Failed to infer device type|Found no NVIDIA driver/i,
    means: () => ({
      cause: "it found no GPU",
      advice: "see whether nvidia-smi lists one here; in a container, start it with --gpus all",
    }),
  },
  {
    says: /CUDA driver version is insufficient|NVIDIA driver on your system is too old|forward compatibility was attempted/i,
    means: () => ({
      cause: "the NVIDIA driver is too old for the CUDA version it was built with",
      advice: "compare the two with nvidia-smi; install a newer driver, or a build for the older CUDA",
    }),
  },
  {
    says: /ModuleNotFoundError: No module named ['"]([^'"]+)['"]/,
    means: ({ match: [, module], service }) => ({
      cause: `the Python module ${module} is not installed where ${service} runs`,
      advice: `install it there, or set \`venv:\` of ${service} to the environment that has it`,
    }),
  },
  {
    says: /Cannot find (?:module|package) ['"]([^'"]+)['"]/,
    means: ({ match: [, module], service }) => ({
      cause: `Node finds no module ${module}`,
      advice: `run npm install in the directory of ${service}, or correct the path in its command`,
    }),
  },
  {
    says: /version [`'"\u2018]?((?:GLIBC|GLIBCXX|CXXABI)_[\d.]+)['"\u2019]? not found(?: \(required by ([^)]+)\))?/,
    means: ({ match: [, version, by] }) => ({
      cause: `${by ?? "the program"} was built for a newer system: it needs ${version}`,
      advice: "use a build for this system, or run it in a container with a newer one",
    }),
  },
  {
    says: /(?:error while loading shared libraries: |OSError: |ImportError: )(\S+\.so[.\d]*): cannot open shared object file/,
    means: ({ match: [, library] }) => ({
      cause: `the shared library ${library} is not installed, or not where the loader looks`,
      advice: "install the package that has it, or add its directory to LD_LIBRARY_PATH in `environment:`",
    }),
  },
  {
    says: /exec format error/i,
    means: ({ service }) => ({
      cause: `a program was built for another kind of machine, or is a script without a #! line`,
      advice: `look at what ${service} starts with: file PROGRAM; uname -m`,
    }),
  },
  {
    says: /unable to (?:open|mmap|allocate) shared memory|insufficient shared memory|\/dev\/shm.*No space left|No space left on device.*\/dev\/shm/i,
    means: () => ({
      cause: "/dev/shm is too small for what its processes share",
      advice: "see df -h /dev/shm; in a container, start it with --shm-size=8g or --ipc=host",
    }),
  },
  {
    says: /No space left on device|ENOSPC|\[Errno 28\]/,
    means: ({ match }) => {
      const path = pathIn(match.input);
      return {
        cause: path === null ? "a disk is full" : `the disk that holds ${path} is full`,
        advice: `free some space: df -h; df -i${path === null ? "" : ` ${path}`}`,
      };
    },
  },
  {
    says: /Disk quota exceeded|EDQUOT/,
    means: ({ service }) => ({
      cause: `the disk quota of the user that ${service} runs as is used up`,
      advice: "free some space, or ask for a larger quota: quota -s",
    }),
  },
  {
    says: /Too many open files|EMFILE|\[Errno 24\]/,
    means: ({ service }) => ({
      cause: `${service} may not open more files`,
      advice: `set \`limits: { nofile: 65536 }\` (or more) for ${service}`,
    }),
  },
  {
    says: /JavaScript heap out of memory/,
    means: ({ service }) => ({
      cause: "it used up the memory that Node gives to JavaScript",
      advice: `set NODE_OPTIONS: --max-old-space-size=MEGABYTES in \`environment:\` of ${service}, or find the leak`,
    }),
  },
  {
    says: /java\.lang\.OutOfMemoryError/,
    means: ({ service }) => ({
      cause: "it used up the memory that Java may use",
      advice: `set a larger -Xmx in the command of ${service}`,
    }),
  },
  {
    says: /^MemoryError\b|\bstd::bad_alloc\b|Cannot allocate memory|ENOMEM|\[Errno 12\]/,
    means: ({ service }) => ({
      cause: "it got no more memory from the system",
      advice: `see free -h and \`limits: { memory: … }\` of ${service}`,
    }),
  },
  {
    says: /\b(?:bind|listen)\b.*permission denied/i,
    means: ({ match, service }) => {
      const port = portIn([match.input]);
      if (port !== null && port < 1024) {
        return {
          cause: `it may not listen on port ${port}: ports below 1024 are for root`,
          advice: `give ${service} a port from 1024 on, or: sysctl net.ipv4.ip_unprivileged_port_start=${port}`,
        };
      }
      return {
        cause: `it may not listen on ${port === null ? "the address it wants" : `port ${port}`}`,
        advice: `see \`user:\` of ${service}, or give it another ${port === null ? "address" : "port"}`,
      };
    },
  },
  {
    says: /permission denied|EACCES|PermissionError/i,
    means: ({ match, service }) => {
      const path = pathIn(match.input);
      return {
        cause: path === null ? "it was denied a permission" : `it may not use ${path}`,
        advice: `see ${path === null ? "the path named in its output" : `ls -ld ${path}`} and \`user:\` of ${service}`,
      };
    },
  },
  {
    says: /(?:ECONNREFUSED|Connection refused)/,
    means: ({ match, service }) => {
      const address =
        /((?:\d{1,3}\.){3}\d{1,3}|localhost|\[?::1\]?|[\w-]+(?:\.[\w-]+)+)["']?,?[: ]+(?:port )?(\d{2,5})\b/.exec(
          match.input,
        );
      return {
        cause: `${address === null ? "something it needs" : `what it needs at ${address[1]}:${address[2]}`} does not answer`,
        advice: `start that first; if it is a service here, name it in \`depends_on: { NAME: ready }\` of ${service}`,
      };
    },
  },
  {
    says: /(?:^|: )(?:line \d+: |\d+: )?([\w./-]+): (?:command )?not found$/,
    means: ({ match: [, program], service }) => ({
      cause: `the program ${program} was not found`,
      advice: `install it, or correct PATH in \`environment:\` of ${service}`,
    }),
  },
];

/** The first that looks like the port of an address, in the forms that runtimes print. */
function portIn(lines: readonly string[]): number | null {
  const forms = [
    /(?:\d{1,3}(?:\.\d{1,3}){3}|localhost|\*|::\]?|\])[:.](\d{1,5})\b/, // 127.0.0.1:8000, :::8000, [::]:8000
    /\('[^']*', (\d{1,5})/, // ('127.0.0.1', 8000)
    /\bport[ =:]+(\d{1,5})\b/i,
    /(?:^|\s):(\d{2,5})\b/, // listen tcp :8000
  ];
  for (const line of lines) {
    for (const form of forms) {
      const port = Number(form.exec(line)?.[1] ?? 0);
      if (port >= 1 && port <= 65_535) return port;
    }
  }
  return null;
}

/** A path that stands in quotes, or alone; its end is not guessed. */
function pathIn(line: string): string | null {
  const written = /['"`](\/[^'"`]+)['"`]/.exec(line)?.[1] ?? /(?:^|[\s:(])(\/[^\s:'"`,)]+)/.exec(line)?.[1];
  return written ?? null;
}
