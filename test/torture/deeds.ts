/** What is done to a running svcd, and how often. Each is something that happens to machines in the field, only rarer. */
import { pause } from "./pause.ts";
import type { Scene } from "./scene.ts";

export interface Deed {
  readonly name: string;
  /** Of a hundred or so. */
  readonly weight: number;
  act(scene: Scene): Promise<void>;
}

const moment = (scene: Scene, longestMs: number) => pause(scene.random.between(0, longestMs));
const killSome = (scene: Scene): void => {
  const count = 1 + scene.random.below(4);
  for (let n = 0; n < count; n++) scene.killService(scene.anyWriter());
};

export const DEEDS: readonly Deed[] = [
  { name: "kill a service", weight: 25, act: async (scene) => scene.killService(scene.anyWriter()) },
  { name: "kill several services", weight: 8, act: async (scene) => killSome(scene) },
  { name: "kill the core", weight: 12, act: (scene) => scene.killCore() },
  { name: "kill the core, and the next one while it starts", weight: 4, act: (scene) => scene.killCoreTwice() },
  {
    name: "kill the core, then services before the next one is there",
    weight: 6,
    act: async (scene) => {
      await scene.killCore();
      killSome(scene);
    },
  },
  {
    name: "kill services, then the core before it has started them",
    weight: 6,
    act: async (scene) => {
      killSome(scene);
      await moment(scene, 6);
      await scene.killCore();
    },
  },
  { name: "kill the keeper", weight: 4, act: (scene) => scene.killKeeper(() => moment(scene, 300)) },
  {
    name: "kill the keeper, then services while no svcd is there",
    weight: 3,
    act: (scene) =>
      scene.killKeeper(async () => {
        killSome(scene);
        await moment(scene, 100);
      }),
  },
  {
    name: "kill services, then the keeper before it has started them",
    weight: 4,
    act: async (scene) => {
      killSome(scene);
      await moment(scene, 8);
      await scene.killKeeper();
    },
  },
  { name: "kill the keeper, and the next one while it starts", weight: 3, act: (scene) => scene.killKeeperTwice() },
  {
    name: "kill the keeper, then the core of the next one",
    weight: 2,
    act: async (scene) => {
      await scene.killKeeper(async () => killSome(scene));
      await scene.killCore();
    },
  },
  {
    name: "stop the core for a moment",
    weight: 4,
    act: (scene) =>
      scene.freeze("core", async () => {
        killSome(scene);
        await moment(scene, 400);
      }),
  },
  {
    name: "stop the keeper for a moment",
    weight: 4,
    act: (scene) =>
      scene.freeze("keeper", async () => {
        killSome(scene);
        await moment(scene, 400);
      }),
  },
  {
    name: "kill the keeper while the core is stopped",
    weight: 2,
    act: (scene) => scene.freezeOverKeeper(),
  },
  { name: "svctl restart", weight: 6, act: (scene) => scene.restart(scene.anyWriter()) },
  { name: "svctl stop, start", weight: 4, act: (scene) => scene.stopThenStart(scene.anyWriter(), async () => {}) },
  {
    name: "svctl stop, the core dies, start",
    weight: 4,
    act: (scene) => scene.stopThenStart(scene.anyWriter(), () => scene.killCore()),
  },
  {
    name: "svctl stop, the keeper dies, start",
    weight: 2,
    act: (scene) => scene.stopThenStart(scene.anyWriter(), () => scene.killKeeper()),
  },
  { name: "svctl upgrade", weight: 3, act: (scene) => scene.upgrade() },
  { name: "edit a file: restart", weight: 4, act: async (scene) => scene.edit(scene.anyWriter(), "edition") },
  { name: "edit a file: no restart", weight: 4, act: async (scene) => scene.edit(scene.anyWriter(), "remark") },
  {
    name: "edit a file, then the core dies",
    weight: 4,
    act: async (scene) => {
      scene.edit(scene.anyWriter(), "edition");
      await moment(scene, 400);
      await scene.killCore();
    },
  },
  { name: "drop a file, remove it", weight: 2, act: (scene) => scene.guest(async () => {}) },
  {
    name: "drop a file, remove it, the core dies twice",
    weight: 2,
    act: (scene) => scene.guest(() => scene.killCore()),
  },
  { name: "SIGHUP", weight: 1, act: async (scene) => scene.hangUp() },
];

/** One by its weight, of those whose name has `only` in it. */
export function anyDeed({ random }: Scene, only: string): Deed {
  const lots = DEEDS.filter(({ name }) => name.includes(only));
  return random.pick(lots.flatMap((deed) => Array.from({ length: deed.weight }, () => deed)));
}
