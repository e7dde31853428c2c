// Who may do what, in three steps: a viewer looks, an operator runs volumes, an admin also decides who is
// who.
export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

export function allows(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}

/** Who asks, as far as the one who answers needs to know. */
export interface Principal {
  readonly name: string;
  readonly role: Role;
}
