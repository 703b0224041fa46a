/**
 * The way out through a channel. ssh2 minds the window that the client grants, but gives the socket whatever there is; a client
 * that grants gigabytes and then reads nothing would fill our memory. So a piece counts as written once the socket has taken
 * nearly all that was before it. Whoever writes waits as for any slow terminal.
 */
import type { Socket } from "node:net";
import { Writable } from "node:stream";
import type { ServerChannel } from "ssh2";

/** The connection that a channel is part of. */
export interface Line {
  readonly socket: Socket;
  /** Something was typed or shown. */
  touch(): void;
}

/** In the socket, of all channels of a connection together. */
const MOST_UNSENT = 256 * 1024;
/** Of one channel, before the socket. */
const MOST_WAITING = 64 * 1024;
/** How often errors look whether the client takes more. */
const LOOK_AGAIN_MS = 50;

/**
 * `asTerminal`: the client's terminal is in raw mode, so a line ends with a carriage return, too. Ending it does not end the
 * channel.
 */
export function outlet(channel: ServerChannel, line: Line, asTerminal = false): Writable {
  let last = 0;
  return waitingFor(channel, line, (piece, done) => {
    const bytes = asTerminal ? withCarriageReturns(piece, last) : piece;
    last = piece.at(-1) ?? last;
    channel.write(bytes, () => done());
  });
}

/**
 * stderr of a channel. ssh2 mixes it up with stdout when both wait for the client's window, so it never waits there: what does
 * not fit into the window is kept here.
 */
export function errorOutlet(channel: ServerChannel, line: Line): Writable {
  const { outgoing } = channel as unknown as { readonly outgoing: { readonly window: number } };
  return waitingFor(channel, line, (piece, done) => {
    let rest = piece;
    const goOn = () => {
      if (!channel.writable || line.socket.destroyed) return done();
      const fits = rest.subarray(0, Math.max(outgoing.window, 0));
      rest = rest.subarray(fits.length);
      if (fits.length > 0) channel.stderr.write(fits);
      if (rest.length === 0) done();
      else setTimeout(goOn, LOOK_AGAIN_MS);
    };
    goOn();
  });
}

function waitingFor(
  channel: ServerChannel,
  { socket, touch }: Line,
  write: (piece: Buffer, done: () => void) => void,
): Writable {
  const stream = new Writable({
    highWaterMark: MOST_WAITING,
    write(piece: Buffer, _encoding, done) {
      if (!channel.writable || socket.destroyed) return done(); // Nobody is there any more.
      touch();
      write(piece, () => afterTheSocket(socket, done));
    },
  });
  // What waits for a window that never comes is over with the channel.
  channel.once("close", () => stream.destroy());
  stream.on("error", () => {});
  return stream;
}

function afterTheSocket(socket: Socket, done: () => void): void {
  if (socket.destroyed || socket.writableLength <= MOST_UNSENT) return done();
  const goOn = () => {
    socket.off("drain", goOn);
    socket.off("close", goOn);
    done();
  };
  socket.on("drain", goOn);
  socket.on("close", goOn);
}

const LF = 0x0a;
const CR = 0x0d;

/** What a terminal's driver does (ONLCR). `before`: the last byte of the piece before. */
export function withCarriageReturns(piece: Buffer, before: number): Buffer {
  const isBare = (i: number) => piece[i] === LF && (i === 0 ? before : piece[i - 1]) !== CR;
  let count = 0;
  for (let i = 0; i < piece.length; i++) if (isBare(i)) count++;
  if (count === 0) return piece;
  const bytes = Buffer.allocUnsafe(piece.length + count);
  let at = 0;
  for (let i = 0; i < piece.length; i++) {
    if (isBare(i)) bytes[at++] = CR;
    bytes[at++] = piece[i]!;
  }
  return bytes;
}
