/**
 * The ports that are open, and what comes in through them: HTTP and HTTPS on the same port, told apart by the first byte.
 *
 * One HTTP server answers for all ports. It never listens itself: connections are handed to it, plain or out of TLS.
 */
import type { Server as HttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer } from "node:tls";
import type { Pem } from "./self-signed.ts";

/** Opens a port so that it can be listened on. Throws NodeJS.ErrnoException. */
export type Opening = (server: Server, port: number) => Promise<void>;

export interface DoorOptions {
  readonly http: HttpServer;
  readonly opening: Opening;
  readonly mostConnections?: number;
  readonly mostForAddress?: number;
  readonly firstByteMs?: number;
}

/** Each is a descriptor here, and perhaps one behind. */
const MOST_CONNECTIONS = 8_192;
/** One machine cannot take all of them. Tunnels end here on loopback, where everybody is one address. */
const MOST_FOR_ADDRESS = 512;
const FIRST_BYTE_MS = 10_000;
const TLS_HANDSHAKE = 0x16;

export class Door {
  readonly #options: DoorOptions;
  readonly #servers = new Map<number, Server>();
  readonly #sockets = new Set<Socket>();
  readonly #byAddress = new Map<string, number>();
  #tls: TlsServer | null = null;

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  get ports(): number[] {
    return [...this.#servers.keys()];
  }

  get isEncrypted(): boolean {
    return this.#tls !== null;
  }

  /** Connections that exist keep the certificate that they began with. */
  useCertificate({ cert, key }: Pem): void {
    if (this.#tls !== null) return this.#tls.setSecureContext({ cert, key, minVersion: "TLSv1.2" });
    const tls = createTlsServer({
      cert,
      key,
      minVersion: "TLSv1.2",
      ALPNProtocols: ["http/1.1"],
      handshakeTimeout: FIRST_BYTE_MS,
    });
    tls.on("secureConnection", (socket) => this.#options.http.emit("connection", socket));
    tls.on("tlsClientError", (_, socket) => socket.destroy());
    this.#tls = tls;
  }

  async open(port: number): Promise<void> {
    if (this.#servers.has(port)) return;
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) =>
      this.#accept(socket),
    );
    this.#servers.set(port, server);
    try {
      await this.#options.opening(server, port);
    } catch (error) {
      this.#servers.delete(port);
      throw error;
    }
  }

  /** Connections go on. */
  shut(port: number): void {
    this.#servers.get(port)?.close();
    this.#servers.delete(port);
  }

  shutAll(): void {
    for (const port of this.ports) this.shut(port);
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    const address = socket.remoteAddress ?? "";
    const isLocal = address.startsWith("127.") || address === "::1" || address.startsWith("::ffff:127.");
    const others = this.#byAddress.get(address) ?? 0;
    const { mostConnections = MOST_CONNECTIONS, mostForAddress = MOST_FOR_ADDRESS } = this.#options;
    if (this.#sockets.size >= mostConnections || (!isLocal && others >= mostForAddress)) return void socket.destroy();
    this.#sockets.add(socket);
    this.#byAddress.set(address, others + 1);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    });
    if (this.#tls === null) this.#options.http.emit("connection", socket);
    else this.#byFirstByte(socket, this.#tls);
  }

  #byFirstByte(socket: Socket, tls: TlsServer): void {
    const onError = (): void => void socket.destroy();
    const onTimeout = (): void => void socket.destroy();
    socket.setTimeout(this.#options.firstByteMs ?? FIRST_BYTE_MS);
    socket.once("timeout", onTimeout).on("error", onError);
    socket.once("data", (first: Buffer) => {
      socket.pause();
      socket.setTimeout(0);
      socket.off("timeout", onTimeout).off("error", onError);
      socket.unshift(first);
      if (first[0] === TLS_HANDSHAKE) tls.emit("connection", socket);
      else {
        this.#options.http.emit("connection", socket);
        socket.resume(); // The parser reads from the system; what was read before must be handed to it.
      }
    });
  }
}
