// Where the store has classes and the budget; apart from qos.ts, so that looking for them loads nothing else.
export const qosPrefix = 'qos/';
export const budgetKey = `${qosPrefix}budget`;
export const classesPrefix = `${qosPrefix}classes/`;
