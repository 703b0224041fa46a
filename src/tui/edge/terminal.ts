/**
 * What a terminal can, from its name and environment. The screen needs a dozen sequences that all terminals of the last thirty
 * years agree on, so no terminfo database is needed on the machine; names only tell colours and what is better left out.
 */
import type { Depth } from "../view/looks.ts";

export interface Terminal {
  readonly depth: Depth;
  readonly hasUnicode: boolean;
  readonly hasMouse: boolean;
  /** The console of Linux, and older ones: no second screen to come back from. */
  readonly hasAlternateScreen: boolean;
  readonly hasPaste: boolean;
  /** Erasing leaves the background colour. */
  readonly erasesWithColour: boolean;
  /** Sequences for the terminal around it must be wrapped. */
  readonly isTmux: boolean;
}

type Env = Readonly<Record<string, string | undefined>>;

/** null: nothing can be drawn on such a terminal. */
export function terminalOf(name: string, env: Env): Terminal | null {
  const term = name.toLowerCase();
  if (term === "" || term === "dumb" || term === "unknown" || term === "emacs") return null;
  const isOld = /^(vt\d|ansi|cons|wy|sun)/.test(term) && !/color/.test(term);
  const isConsole = /^linux/.test(term);
  return {
    depth: isOld || hasNoColour(env) || /-m(ono)?$/.test(term) ? 0 : has256(term, env) ? 256 : 16,
    hasUnicode: hasUtf8(env),
    hasMouse: !isOld && !isConsole,
    hasAlternateScreen: !isOld && !isConsole,
    hasPaste: !isOld && !isConsole,
    erasesWithColour: !isOld && !/^screen/.test(term),
    isTmux: Boolean(env["TMUX"]),
  };
}

/** https://no-color.org: set and not empty means no. */
function hasNoColour(env: Env): boolean {
  return Boolean(env["NO_COLOR"]);
}

function has256(term: string, env: Env): boolean {
  return (
    /256color|direct|kitty|ghostty|alacritty|foot|wezterm|contour|iterm/.test(term) ||
    /truecolor|24bit/.test(env["COLORTERM"] ?? "")
  );
}

/** As the C library finds it: the first of these that is set. */
function hasUtf8(env: Env): boolean {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  return /utf-?8/i.test(locale);
}

/** As a terminfo entry, in the form that blessed reads. */
export function capabilitiesOf({ depth, hasAlternateScreen, erasesWithColour }: Terminal): unknown {
  return {
    name: "svcd",
    names: ["svcd"],
    desc: "what svctl tui uses of a terminal",
    header: {},
    bools: { back_color_erase: erasesWithColour },
    numbers: { max_colors: depth === 256 ? 256 : 16, U8: 1 },
    strings: {
      cursor_address: "\x1b[%i%p1%d;%p2%dH",
      parm_right_cursor: "\x1b[%p1%dC",
      clr_eol: "\x1b[K",
      clr_eos: "\x1b[J",
      clear_screen: "\x1b[m\x1b[H\x1b[2J",
      save_cursor: "",
      restore_cursor: "",
      cursor_invisible: "\x1b[?25l",
      cursor_normal: "\x1b[?25h",
      enter_ca_mode: hasAlternateScreen ? "\x1b[?1049h" : "",
      exit_ca_mode: hasAlternateScreen ? "\x1b[?1049l" : "\x1b[m\x1b[2J\x1b[H",
      exit_attribute_mode: "\x1b[m",
      change_scroll_region: "\x1b[%i%p1%d;%p2%dr",
    },
  };
}
