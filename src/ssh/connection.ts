/**
 * One connection from its first byte to its last: a stranger for a short while, then a guest with what their key allows.
 *
 * What a client can make us keep is limited here: bytes before it has signed in, answers that it does not read, data that it
 * sends beyond the window, sessions and forwarded ports at once.
 */
import type { Socket } from "node:net";
import type { Connection as Client, ServerChannel, TcpipRequestInfo } from "ssh2";
import { exposedTargets } from "./exposed.ts";
import { forward, mayForward } from "./forward.ts";
import type { House } from "./house.ts";
import { shown } from "./log-line.ts";
import type { Line } from "./outlet.ts";
import { serveSession } from "./session.ts";
import { type Guest, SignIn } from "./sign-in.ts";

/** A hundred times what signing in takes. */
const MOST_BYTES_OF_A_STRANGER = 512 * 1024;
/** Answers that were not read; reading goes on when they were. */
const MOST_UNREAD = 4 * 1024 * 1024;
/** ssh2 keeps 2 MiB and grants 2 MiB beside them. */
const MOST_UNTAKEN = 6 * 1024 * 1024;
const MOST_SESSIONS = 20;
const MOST_FORWARDS = 100;

export class Connection {
  readonly address: string;
  readonly #house: House;
  readonly #socket: Socket;
  readonly #signIn: SignIn;
  readonly #channels = new Set<ServerChannel>();
  readonly #line: Line;
  #client: Client | null = null;
  #guest: Guest | null = null;
  #deadline: NodeJS.Timeout;
  #lastTouch: number;
  #sessions = 0;
  #forwards = 0;
  /** Why it has ended, if we know. */
  #reason: string | null = null;

  constructor(house: House, socket: Socket, address: string, onSignedIn: () => void, onClosed: () => void) {
    this.#house = house;
    this.#socket = socket;
    this.address = address;
    this.#lastTouch = house.now();
    this.#line = {
      socket,
      touch: () => {
        this.#lastTouch = house.now();
      },
    };
    this.#signIn = new SignIn(house, address, () => this.end("too many wrong keys or passwords"));
    const within = house.settings.signInWithinMs;
    this.#deadline = setTimeout(() => this.drop(`did not sign in within ${within / 1000} s`), within);
    this.#onSignedIn = onSignedIn;
    socket.once("close", () => {
      clearTimeout(this.#deadline);
      this.#signIn.close();
      this.#sayGoodbye();
      onClosed();
    });
  }

  readonly #onSignedIn: () => void;

  /** It has said that it speaks SSH. */
  greet(client: Client): void {
    this.#client = client;
    client.on("error", (error) => {
      this.#reason ??= shown(error.message);
    });
    client.on("authentication", (context) => this.#signIn.asks(context));
    client.on("ready", () => this.#welcome(client));
    // What a client asks for beside channels (ports of its own, `-R`) is refused by ssh2, as nobody listens.
  }

  /** After ssh2 listens to the socket. */
  guard(): void {
    const socket = this.#socket;
    socket.on("data", () => {
      if (this.#guest === null && socket.bytesRead > MOST_BYTES_OF_A_STRANGER) return this.drop("sent too much");
      if (socket.writableLength > MOST_UNREAD) {
        socket.pause();
        socket.once("drain", () => socket.resume());
      }
      for (const channel of this.#channels)
        if (channel.readableLength > MOST_UNTAKEN) return this.drop("sent more than it was granted");
    });
  }

  /** Its key has gone, or it sleeps. */
  look(now: number): void {
    const guest = this.#guest;
    if (guest === null) return;
    if (guest.key !== null && !this.#house.ring.stillHas(guest.key, this.address, Date.now()))
      return this.end("its key is no longer allowed");
    const { idleMs } = this.#house.settings;
    if (idleMs !== null && now - this.#lastTouch >= idleMs) this.end(`nothing happened for ${idleMs / 1000} s`);
  }

  /** With a word of goodbye. */
  end(reason: string): void {
    this.#reason ??= reason;
    this.#client?.end();
    this.#socket.end();
    // Whoever does not take it is not waited for.
    setTimeout(() => this.#socket.destroy(), 1_000).unref();
  }

  drop(reason: string): void {
    this.#reason ??= reason;
    this.#socket.destroy();
  }

  #welcome(client: Client): void {
    const { guest } = this.#signIn;
    if (guest === null) return this.drop("signed in without a key"); // Cannot happen; were it so, nobody gets in.
    this.#guest = guest;
    clearTimeout(this.#deadline);
    this.#onSignedIn();
    const may = guest.options.permit === "view" ? ", may look only" : "";
    this.#say(`signed in with ${guest.name}${may}`);
    this.#line.touch();
    client.on("session", (accept, reject) => {
      if (this.#sessions >= MOST_SESSIONS) return void reject();
      const session = accept();
      if (session === undefined) return;
      this.#sessions++;
      session.once("close", () => this.#sessions--);
      serveSession(session, {
        line: this.#line,
        options: guest.options,
        svctl: this.#house.svctl,
        socketPath: this.#house.socketPath,
        env: this.#house.env,
        say: (what) => this.#say(what),
        takePlace: () => this.#house.takePlace(),
        watch: (channel) => this.#watch(channel),
      });
    });
    client.on("tcpip", (accept, reject, info) => void this.#forward(guest, accept, reject, info));
  }

  async #forward(
    { options }: Guest,
    accept: () => ServerChannel,
    reject: () => unknown,
    info: TcpipRequestInfo,
  ): Promise<void> {
    if (this.#forwards >= MOST_FORWARDS) return void reject();
    this.#forwards++;
    const done = () => {
      this.#forwards--;
    };
    const { settings, strangers, now, socketPath } = this.#house;
    if (!(await mayForward(options, settings.permitOpen, () => exposedTargets(socketPath), info))) {
      done();
      const to = `${shown(info.destIP)}:${info.destPort}`;
      strangers.say(`${this.address}: may not forward to ${to} (SSH_SERVER_PERMIT_OPEN)`, now());
      return void reject();
    }
    if (this.#socket.destroyed) return done();
    forward(
      info,
      accept,
      () => void reject(),
      this.#line,
      (channel) => this.#watch(channel),
      done,
    );
  }

  #watch(channel: ServerChannel): void {
    this.#channels.add(channel);
    channel.once("close", () => this.#channels.delete(channel));
  }

  #say(what: string): void {
    this.#house.say(`${this.address}: ${what}`);
  }

  #sayGoodbye(): void {
    const why = this.#reason === null ? "" : `: ${this.#reason}`;
    if (this.#guest !== null) this.#say(`left${why}`);
    else this.#house.strangers.say(`${this.address}: left without signing in${why}`, this.#house.now());
  }
}
