/** A tool as a shop's assistant has it, and a message that lets the simulated model call it. */
export const findOrder = {
  name: 'find_order',
  description: 'Where an order is.',
  parameters: {
    type: 'object' as const,
    properties: { number: { type: 'string' as const } },
    required: ['number'],
    additionalProperties: false as const,
  },
};

export const findOrderTool = { type: 'function' as const, function: findOrder };

export const askForOrder = 'call find_order {"number":"ORD-7"}';
export const askForTwoOrders = `${askForOrder}\ncall find_order {"number":"ORD-8"}`;
