export type { Activities, ActivityDependencies } from './create-activities';
export { createActivities } from './create-activities';
