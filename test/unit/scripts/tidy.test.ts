import { describe, expect, it } from 'vitest';
import * as nativeRules from '../../../scripts/tidy/native-rules.mjs';
import { nativeRooms, sourceRooms } from '../../../scripts/tidy/rooms.mjs';
import * as sourceRules from '../../../scripts/tidy/source-rules.mjs';
import * as textRules from '../../../scripts/tidy/text-rules.mjs';
import { withoutComments } from '../../../scripts/tidy/tree.mjs';

interface File {
  path: string;
  text: string;
}
type Rule = (files: File[]) => { path: string; line: number; message: string }[];

const rules: Record<string, Rule> = { ...textRules, ...nativeRules, ...sourceRules };
const long = `// ${'x'.repeat(120)}`;
const note = `// TODO${'('}now): finish`;

// [rule, path, text, line and part of the message of the finding]
const broken: [string, string, string, number, string][] = [
  ['columns', 'native/base/a.cc', `int a;\n${long}\n`, 2, '123 columns'],
  ['columns', 'scripts/setup', long, 1, '123 columns'],
  ['trailingSpace', 'src/base/a.ts', 'const a = 1; \n', 1, 'space at the end'],
  ['notesToSelf', 'native/base/a.h', `\n\n${note}\n`, 3, 'before it is committed'],
  ['notesToSelf', 'src/base/a.ts', '// TODO: later', 1, 'TODO needs one of'],
  ['roomReadmes', 'native/bdev/file/a.cc', '', 1, 'no README.md'],
  [
    'nativeIncludes',
    'native/bdev/a.cc',
    '#include "target/target.h"',
    1,
    'bdev may not include target/target.h',
  ],
  ['nativeIncludes', 'native/bdev/a.cc', '#include "nvme/status.h"', 1, 'bdev may not include nvme'],
  ['nativeIncludes', 'native/bdev/a.cc', '#include "transport/transport.h"', 1, 'may not include transport'],
  [
    'nativeIncludes',
    'native/bdev/a.cc',
    '\n#include "initiator/initiator.h"',
    2,
    'may not include initiator',
  ],
  ['nativeIncludes', 'native/base/a.h', '#include "reactor/reactor.h"', 1, 'base may not include'],
  [
    'nativeIncludes',
    'native/target/a.cc',
    '#include "bdev/file/file_bdev.h"',
    1,
    'target may not include bdev/file',
  ],
  ['nativeIncludes', 'native/addon/a.cc', '#include "target/target.h"', 1, 'addon may not include target'],
  ['nativeIncludes', 'native/target/a.cc', '#include "target.h"', 1, 'name the room too'],
  ['nativeIncludes', 'native/attic/a.cc', '#include "base/assert.h"', 1, 'has no row in the table'],
  ['dataPlaneSharing', 'native/target/a.cc', 'std::mutex lock;', 1, 'std::mutex'],
  ['dataPlaneSharing', 'native/bdev/a.cc', 'std::thread worker;', 1, 'std::thread'],
  ['dataPlaneSharing', 'native/nvme/a.h', '\nstd::shared_ptr<int> a;', 2, 'std::shared_ptr'],
  ['dataPlaneSharing', 'native/transport/tcp/a.h', 'std::lock_guard<L> a(b);', 1, 'std::lock_guard'],
  ['dataPlaneExceptions', 'native/engine/a.cc', 'throw 1;', 1, 'throw'],
  ['dataPlaneExceptions', 'native/target/a.cc', 'try {', 1, 'try {'],
  ['dataPlaneExceptions', 'native/bdev/a.cc', 'auto* b = dynamic_cast<B*>(a);', 1, 'dynamic_cast<'],
  ['roomBuildFiles', 'native/bdev/qos/CMakeLists.txt', 'add_library(qos a.cc)\n', 1, 'ballast_room'],
  ['sourceImports', 'src/cli/a.ts', "import { Engine } from '../native/index.js';", 1, 'cli may not import'],
  ['sourceImports', 'src/base/a.ts', "\nimport type { A } from '../cli/a.js';", 2, 'base may not import'],
  ['sourceImports', 'src/native/a.ts', "export { a } from '../main/a.js';", 1, 'native may not import'],
  ['sourceImports', 'src/cli/a.ts', "const a = await import('../native/index.js');", 1, 'cli may not import'],
  ['sourceImports', 'src/cli/a.ts', "import { a } from '../../scripts/tidy.mjs';", 1, 'cli may not import'],
  ['sourceImports', 'src/attic/a.ts', '', 1, 'has no row in the table'],
  [
    'addonLoader',
    'src/native/engine.ts',
    "import bindings from 'bindings';",
    1,
    'only src/native/binding.ts',
  ],
  ['compositionRoots', 'src/cli/a.ts', 'await Engine.start({});', 1, 'only src/main'],
  ['compositionRoots', 'src/api/a.ts', '\nawait openLevelStore(path)', 2, 'only src/main'],
  ['compositionRoots', 'src/api/a.ts', 'new Authenticator({})', 1, 'only src/main'],
  ['compositionRoots', 'src/auth/a.ts', 'createApp(options)', 1, 'only src/main'],
  [
    'sourceImports',
    'src/api/a.ts',
    "import type { Store } from '../store/types.js';",
    1,
    'api may not import',
  ],
  ['sourceImports', 'src/auth/a.ts', "import { openMemoryStore } from '../store/m.js';", 1, 'may not import'],
];

// What must stay allowed: [rule, path, text]
const fine: [string, string, string][] = [
  ['columns', 'docs/architecture.md', long],
  ['notesToSelf', 'native/base/a.h', '// TODO(perf): merge adjacent writes.'],
  [
    'nativeIncludes',
    'native/target/a.cc',
    '#include "bdev/bdev.h"\n#include "target/a.h"\n#include <vector>',
  ],
  ['nativeIncludes', 'native/bdev/file/a.cc', '#include "bdev/file/a.h"\n#include "reactor/reactor.h"'],
  ['dataPlaneSharing', 'native/reactor/a.cc', 'std::mutex lock;'],
  ['dataPlaneSharing', 'native/target/a.h', 'std::shared_ptr<Bdev> bdev;'],
  ['dataPlaneSharing', 'native/nvme/a.h', '// no std::mutex here'],
  ['dataPlaneExceptions', 'native/engine/a.cc', '// never throw\nlog("throw ");'],
  ['roomBuildFiles', 'native/bdev/CMakeLists.txt', 'ballast_room(bdev DEPENDS base)\n'],
  [
    'sourceImports',
    'src/cli/a.ts',
    "import type { A } from '../native/types.js';\nimport pc from 'picocolors';",
  ],
  ['sourceImports', 'src/main/a.ts', "import { Engine } from '../native/index.js';"],
  ['addonLoader', 'src/native/binding.ts', "import bindings from 'bindings';"],
  ['compositionRoots', 'src/main/ballast.ts', 'return Engine.start(options);'],
];

describe('tidy', () => {
  it.each(broken)('%s finds %s with %j', (rule, path, text, line, message) => {
    const findings = rules[rule]!([{ path, text }]);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ line, message: expect.stringContaining(message) });
  });

  it.each(fine)('%s allows %s with %j', (rule, path, text) => {
    expect(rules[rule]!([{ path, text }])).toEqual([]);
  });

  it('firstInclude finds a source that does not begin with its own header', () => {
    const header = { path: 'native/base/a.h', text: '' };
    const source = (text: string) => ({ path: 'native/base/a.cc', text });
    expect(
      nativeRules.firstInclude([header, source('// a\n#include <vector>\n#include "base/a.h"\n')]),
    ).toEqual([{ path: 'native/base/a.cc', line: 2, message: 'the first include must be "base/a.h"' }]);
    expect(nativeRules.firstInclude([header, source('#include "base/a.h"\n')])).toEqual([]);
    expect(nativeRules.firstInclude([source('#include <vector>\n')])).toEqual([]);
  });

  it('roomReadmes finds a README of more than 60 lines', () => {
    const room = (lines: number) => [
      { path: 'native/base/a.cc', text: '' },
      { path: 'native/base/README.md', text: 'line\n'.repeat(lines) },
    ];
    expect(textRules.roomReadmes(room(60))).toEqual([]);
    expect(textRules.roomReadmes(room(61))[0]?.message).toContain('61 lines');
  });

  it('roomReadmes takes a folder that the README above it names', () => {
    const files = (text: string) => [
      { path: 'native/transport/tcp/a.cc', text: '' },
      { path: 'native/transport/README.md', text },
    ];
    expect(textRules.roomReadmes(files('# transport\n`tcp/` is one of them.\n'))).toEqual([]);
    expect(textRules.roomReadmes(files('# transport\n'))[0]?.path).toBe('native/transport/tcp/README.md');
  });

  it('has a failing example of every rule', () => {
    const shown = new Set([...broken.map(([rule]) => rule), 'firstInclude']);
    expect([...shown].sort()).toEqual(Object.keys(rules).sort());
  });

  it('keeps the tables free of rooms that allow themselves everything', () => {
    for (const allowed of Object.values(nativeRooms)) expect(allowed).not.toContain('addon');
    for (const [room, { values }] of Object.entries(sourceRooms)) {
      if (room !== 'main') expect(values).not.toContain('*');
    }
  });
});

describe('withoutComments', () => {
  it('keeps lines and code, blanks comments and strings', () => {
    expect(withoutComments('a; /* b\nc */ d; // e\n"throw";')).toBe('a;     \n     d; \n"     ";');
  });
});
