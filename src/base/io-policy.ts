// Which of several paths an I/O takes, of those over which its namespace is reached best. The words are those
// of Linux and nvme-cli.
export const ioPolicies = ['numa', 'round-robin', 'queue-depth'] as const;
export type IoPolicy = (typeof ioPolicies)[number];
