// Two projects: `unit` needs nothing built, `e2e` drives bin/ballast with the built addon.
// scripts/test reads the JUnit files named on its command line; the reporter here is for people.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          exclude: ['test/unit/native/**'],
          testTimeout: 30_000, // for a machine that does much else
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts', 'test/unit/native/**/*.test.ts'],
          // The machine may have two cores: targets and initiators of several files at once would starve each
          // other.
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          pool: 'forks',
        },
      },
    ],
  },
});
