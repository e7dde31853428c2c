// The files of a report, in a directory of its own: report.json, report.html, and the histories.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { reportPage } from './page.js';
import { type RunReport, reportJson } from './report.js';

const mode = 0o600; // what volumes held is in them

export interface ReportFiles {
  readonly json: string;
  readonly page: string;
}

export async function writeReport(directory: string, report: RunReport): Promise<ReportFiles> {
  const files = { json: join(directory, 'report.json'), page: join(directory, 'report.html') };
  await mkdir(directory, { recursive: true });
  await writeFile(files.json, reportJson(report), { mode });
  await writeFile(files.page, await reportPage(report), { mode });
  return files;
}

/** `path`: below the directory. */
export async function writeHistory(directory: string, path: string, lines: Uint8Array): Promise<void> {
  const file = join(directory, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, lines, { mode });
}
