/** Requirements on the roles of a caller; core reads and enforces them. */

/** Roles that a caller must hold. */
export type Requirement = string | { readonly any_of: readonly string[] } | { readonly all_of: readonly string[] };

/** Requires at least one of the roles. */
export function anyOf(...roles: string[]): Requirement {
  return { any_of: roles };
}

/** Requires every one of the roles. */
export function allOf(...roles: string[]): Requirement {
  return { all_of: roles };
}
