/** The workflows that Bellwether is compared with. */
export { plainTurn } from './plain-turn';
export { textbookConversation } from './textbook-conversation';
