/**
 * The door: a socket that listens, who comes in, and the rounds that look whether everybody may still be here. How SSH is spoken
 * is ssh2's business; strangers are counted before it hears of them.
 */
import { createServer, type Server as NetServer, type Socket } from "node:net";
import ssh2 from "ssh2";
import { plainAddress } from "./address.ts";
import { Connection } from "./connection.ts";
import type { House } from "./house.ts";

/** What OpenSSH has agreed on since 2014. No SHA-1, no CBC, no compression (a small packet could unfold without end). */
const ALGORITHMS = {
  kex: [
    ...["curve25519-sha256", "curve25519-sha256@libssh.org"],
    ...["ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", "diffie-hellman-group16-sha512"],
  ],
  serverHostKey: ["ssh-ed25519"],
  // AES is in the processor; ChaCha20 is JavaScript here.
  cipher: [
    ...[
      "aes128-gcm@openssh.com",
      "aes256-gcm@openssh.com",
      "aes128-ctr",
      "aes256-ctr",
      "chacha20-poly1305@openssh.com",
    ],
  ],
  hmac: ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"],
  compress: ["none"],
};
/** Five minutes without a sign of life, a laptop that was closed. */
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_COUNT = 10;
/** Keys that were taken away and connections that sleep; no timer runs while nobody is here. */
const ROUND_MS = 2_000;

export class SshServer {
  readonly #house: House;
  readonly #ssh: InstanceType<typeof ssh2.Server>;
  readonly #listener: NetServer;
  readonly #connections = new Map<number, Connection>();
  readonly #bySocket = new WeakMap<object, Connection>();
  #lastId = 0;
  #rounds: NodeJS.Timeout | null = null;

  constructor(house: House, privateKey: string) {
    this.#house = house;
    this.#ssh = new ssh2.Server(
      {
        hostKeys: [privateKey],
        ident: "svcd",
        algorithms: ALGORITHMS as unknown as NonNullable<ssh2.ServerConfig["algorithms"]>,
        keepaliveInterval: KEEPALIVE_MS,
        keepaliveCountMax: KEEPALIVE_COUNT,
      } as ssh2.ServerConfig,
      (client) => {
        const { _sock } = client as unknown as { readonly _sock: Socket };
        this.#bySocket.get(_sock)?.greet(client);
      },
    );
    this.#listener = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#comes(socket));
  }

  /** Resolves with the port. */
  listen(port: number, host: string | null): Promise<number> {
    return new Promise((done, fail) => {
      this.#listener.once("error", fail);
      this.#listener.listen({ port, ...(host !== null && { host }) }, () => {
        this.#listener.off("error", fail);
        // No descriptor free, for instance. Whoever knocks next may be luckier.
        this.#listener.on("error", (error) => this.#house.say(`cannot take a connection: ${error.message}`));
        const address = this.#listener.address();
        done(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  /** Everybody is sent away. */
  close(reason: string): void {
    this.#listener.close();
    for (const connection of this.#connections.values()) connection.end(reason);
  }

  #comes(socket: Socket): void {
    const { admission, strangers, now } = this.#house;
    socket.on("error", () => {}); // "close" follows.
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return void socket.destroy(); // It has left again.
    const address = plainAddress(remoteAddress);
    const id = ++this.#lastId;
    const arrival = admission.arrives(id, address);
    if (!arrival.in) {
      strangers.say(`${address}: not let in: ${arrival.why}`, now());
      return void socket.destroy();
    }
    if (arrival.evicted !== null) this.#connections.get(arrival.evicted)?.drop("made room for somebody else");
    const connection = new Connection(
      this.#house,
      socket,
      address,
      () => admission.signedIn(id),
      () => {
        admission.leaves(id);
        this.#connections.delete(id);
        this.#goRounds();
      },
    );
    this.#connections.set(id, connection);
    this.#bySocket.set(socket, connection);
    this.#ssh.injectSocket(socket);
    socket.setNoDelay(true); // Six exchanges of 40 ms each would be lost to Nagle.
    connection.guard();
    this.#goRounds();
  }

  #goRounds(): void {
    if (this.#connections.size === 0) {
      if (this.#rounds !== null) clearInterval(this.#rounds);
      this.#rounds = null;
      return;
    }
    this.#rounds ??= setInterval(() => {
      for (const connection of [...this.#connections.values()]) connection.look(this.#house.now());
    }, ROUND_MS);
  }
}
