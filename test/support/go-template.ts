// Renders the part of Go templates that our chart keeps to: values, if/else, range, define/include, and the
// functions below. What it does not know is an error, so that the chart cannot leave that part unnoticed;
// `npm run test:helm` proves that helm says the same.
import { stringify } from 'yaml';

type Scope = { readonly dot: unknown; readonly root: unknown };
type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipe: string }
  | { readonly kind: 'if'; readonly branches: readonly Branch[] }
  | { readonly kind: 'range'; readonly pipe: string; readonly body: readonly Node[] };
type Branch = { readonly pipe: string | undefined; readonly body: readonly Node[] };

export class GoTemplates {
  readonly #defined = new Map<string, readonly Node[]>();
  readonly #files = new Map<string, readonly Node[]>();

  add(name: string, text: string): void {
    const tokens = tokenize(text);
    const { nodes, end } = this.#parse(tokens, 0, name);
    if (end !== tokens.length) throw new Error(`${name}: {{ ${tokens[end]?.action} }} closes nothing`);
    this.#files.set(name, nodes);
  }

  render(name: string, dot: unknown): string {
    return this.#print(this.#files.get(name) ?? [], { dot, root: dot });
  }

  // Up to an `end` or `else` that belongs to who called.
  #parse(tokens: readonly Token[], begin: number, file: string): { nodes: Node[]; end: number } {
    const nodes: Node[] = [];
    let at = begin;
    while (at < tokens.length) {
      const token = tokens[at];
      if (token === undefined) break;
      if (token.action === undefined) nodes.push({ kind: 'text', text: token.text });
      else if (token.action === 'end' || token.action.startsWith('else')) return { nodes, end: at };
      else {
        const [word = '', rest = ''] = split(token.action);
        if (word === 'if' || word === 'range' || word === 'define') {
          at = this.#block(word, rest, tokens, at, nodes, file);
        } else if (!token.action.startsWith('/*')) nodes.push({ kind: 'print', pipe: token.action });
      }
      at += 1;
    }
    return { nodes, end: at };
  }

  #block(
    word: string,
    pipe: string,
    tokens: readonly Token[],
    begin: number,
    to: Node[],
    file: string,
  ): number {
    const branches: Branch[] = [];
    let condition: string | undefined = pipe;
    let at = begin;
    for (;;) {
      const { nodes, end } = this.#parse(tokens, at + 1, file);
      branches.push({ pipe: condition, body: nodes });
      const closing = tokens[end]?.action;
      at = end;
      if (closing === 'end') break;
      if (closing === 'else' && word === 'if') condition = undefined;
      else throw new Error(`${file}: {{ ${word} ${pipe} }} is not closed`);
    }
    const body = branches[0]?.body ?? [];
    if (word === 'if') to.push({ kind: 'if', branches });
    else if (word === 'range') to.push({ kind: 'range', pipe, body });
    else this.#defined.set(JSON.parse(pipe) as string, body);
    return at;
  }

  #print(nodes: readonly Node[], scope: Scope): string {
    return nodes.map((node) => this.#printOne(node, scope)).join('');
  }

  #printOne(node: Node, scope: Scope): string {
    switch (node.kind) {
      case 'text':
        return node.text;
      case 'print':
        return asText(this.#evaluate(node.pipe, scope));
      case 'if': {
        const taken = node.branches.find(
          ({ pipe }) => pipe === undefined || isTrue(this.#evaluate(pipe, scope)),
        );
        return taken === undefined ? '' : this.#print(taken.body, scope);
      }
      case 'range': {
        const list = this.#evaluate(node.pipe, scope) ?? [];
        if (!Array.isArray(list)) throw new Error(`range ${node.pipe}: a list is expected`);
        return list.map((dot) => this.#print(node.body, { ...scope, dot })).join('');
      }
    }
  }

  #evaluate(pipe: string, scope: Scope): unknown {
    let last: readonly unknown[] = [];
    for (const stage of pipe.split('|')) {
      const [word = '', ...words] = stage.trim().match(/"(?:[^"\\]|\\.)*"|[^\s"]+/g) ?? [];
      const operands = [...words.map((one) => operand(one, scope)), ...last];
      last = [this.#isOperand(word) ? operand(word, scope) : this.#call(word, operands, scope)];
    }
    return last[0];
  }

  #isOperand(word: string): boolean {
    return /^["$.\d]/.test(word);
  }

  #call(name: string, operands: readonly unknown[], scope: Scope): unknown {
    const [first, second] = operands;
    switch (name) {
      case 'include': {
        const body = this.#defined.get(String(first));
        if (body === undefined) throw new Error(`include ${String(first)}: not defined`);
        return this.#print(body, { ...scope, dot: second, root: second });
      }
      case 'toYaml':
        return stringify(first).trimEnd();
      case 'nindent':
        return `\n${String(second).replace(/^(?!$)/gm, ' '.repeat(Number(first)))}`;
      case 'quote':
        return JSON.stringify(asText(first));
      case 'default':
        return isTrue(second) ? second : first;
      case 'eq':
        return first === second;
      case 'not':
        return !isTrue(first);
      case 'or':
        return operands.find(isTrue) ?? operands.at(-1);
      default:
        throw new Error(`${name}: not in the part of Go templates that the chart keeps to`);
    }
  }
}

type Token = { readonly text: string; readonly action?: string };

function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let rest = text;
  for (;;) {
    const match = /\{\{(-\s)?\s*(\/\*[\s\S]*?\*\/|[^}]*?)\s*(\s-)?\}\}/.exec(rest);
    if (match === null) return [...tokens, { text: rest }];
    const before = rest.slice(0, match.index);
    tokens.push({ text: match[1] === undefined ? before : before.trimEnd() });
    tokens.push({ text: '', action: match[2] ?? '' });
    rest = rest.slice(match.index + match[0].length);
    if (match[3] !== undefined) rest = rest.trimStart();
  }
}

function operand(word: string, { dot, root }: Scope): unknown {
  if (word.startsWith('"')) return JSON.parse(word);
  if (/^\d+$/.test(word)) return Number(word);
  if (!/^\$?(?:\.\w+)*\.?$/.test(word)) throw new Error(`${word}: not understood`);
  const from = word.startsWith('$') ? root : dot;
  return word
    .replace(/^\$/, '')
    .split('.')
    .filter(Boolean)
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], from);
}

function split(action: string): readonly [string, string] {
  const at = action.search(/\s/);
  return at < 0 ? [action, ''] : [action.slice(0, at), action.slice(at).trim()];
}

function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

function asText(value: unknown): string {
  return value === undefined || value === null ? '' : String(value);
}
