import ArgumentParser
import BitNetKit

/// Writing the prompt as a message of a conversation.
struct ChatPromptArguments: ParsableArguments {
    @Flag(help: "Take the text as a message, in the chat template.")
    var chat = false

    @Option(
        parsing: .unconditional,
        help: .init("With --chat, a system message before it.", valueName: "text"))
    var system: String?

    func validate() throws {
        if system != nil && !chat { throw ValidationError("--system needs --chat.") }
    }

    /// The tokens of a conversation in which the user says `text`.
    func tokens(
        of text: String, _ tokenizer: Tokenizer, _ template: ChatTemplate?
    ) throws(BitNetError) -> [Int] {
        guard let template else {
            throw .chatTemplate(
                detail: "the model has none and none is known for it; it is not made for "
                    + "conversations, so leave --chat out")
        }
        let messages = [system.map { ChatMessage(.system, $0) }, ChatMessage(.user, text)]
        return try tokenizer.encode(
            messages.compactMap(\.self), template: template, addsGenerationPrompt: true)
    }
}
