/** As much of blessed 0.1.81 as the screen uses; it has no types of its own. */
declare module "blessed/lib/widgets/screen.js" {
  import type { EventEmitter } from "node:events";

  export type Cell = [attr: number, glyph: string];
  export type Line = Cell[] & { dirty: boolean };

  export interface Program {
    put: unknown;
    flush(): void;
    setMouse(modes: Readonly<Record<string, boolean>>, enable: boolean): void;
    disableMouse(): void;
    _write(text: string): void;
  }

  class Screen extends EventEmitter {
    constructor(options: Readonly<Record<string, unknown>>);
    readonly program: Program;
    readonly lines: Line[];
    readonly rows: number;
    readonly cols: number;
    enter(): void;
    leave(): void;
    realloc(): void;
    render(): void;
    destroy(): void;
  }
  export default Screen;
}

declare module "blessed/lib/widgets/box.js" {
  import type Screen from "blessed/lib/widgets/screen.js";

  class Box {
    constructor(options: { readonly parent: Screen } & Readonly<Record<string, unknown>>);
    render: () => unknown;
  }
  export default Box;
}

declare module "blessed/lib/tput.js" {
  const Tput: { prototype: { readTerminfo: (this: { terminal: string }) => unknown } };
  export default Tput;
}

declare module "blessed/lib/unicode.js" {
  const unicode: { charWidth: (text: string | number, at?: number) => number };
  export default unicode;
}
