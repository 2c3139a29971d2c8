export const jsonType = 'application/json';
export const streamType = 'text/event-stream; charset=utf-8';
