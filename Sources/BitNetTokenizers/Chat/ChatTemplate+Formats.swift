extension ChatTemplate {
    /// A way of writing conversations that several models share.
    public enum Format: String, Sendable, Hashable, CaseIterable {
        /// BitNet b1.58 2B-4T: `User: ...<|eot_id|>Assistant: `.
        case bitnet
        /// Llama 3: `<|start_header_id|>user<|end_header_id|>`, two newlines, `...<|eot_id|>`.
        case llama3
        /// Llama 2: `[INST] <<SYS>>...<</SYS>>...[/INST] ... </s>`.
        case llama2
        /// Falcon 3: `<|user|>`, newline, `...`, newline.
        case falcon3
        /// ChatML, of Qwen and many others: `<|im_start|>user`, newline, `...<|im_end|>`, newline.
        case chatML
        /// Gemma: `<start_of_turn>user`, newline, `...<end_of_turn>`, newline.
        case gemma

        /// The tokens without which a vocabulary cannot write this format.
        var neededTokens: [String] {
            switch self {
            case .bitnet: ["<|eot_id|>"]
            case .llama3: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
            case .llama2, .falcon3: []
            case .chatML: ["<|im_start|>", "<|im_end|>"]
            case .gemma: ["<start_of_turn>", "<end_of_turn>"]
            }
        }

        /// The format as a template.
        package var source: String {
            switch self {
            case .bitnet:
                Self.turns(
                    "{{ message.role | capitalize }}: {{ message.content | trim }}<|eot_id|>")
                    + Self.generation("Assistant: ")
            case .llama3:
                Self.turns(
                    "{% if loop.first %}{{ bos_token }}{% endif %}<|start_header_id|>"
                        + "{{ message.role }}<|end_header_id|>\n\n{{ message.content | trim }}"
                        + "<|eot_id|>")
                    + Self.generation("<|start_header_id|>assistant<|end_header_id|>\n\n")
            case .llama2: Self.llama2Source
            case .falcon3:
                Self.turns("<|{{ message.role }}|>\n{{ message.content }}\n")
                    + Self.generation("<|assistant|>\n")
            case .chatML:
                Self.turns("<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n")
                    + Self.generation("<|im_start|>assistant\n")
            case .gemma: Self.gemmaSource
            }
        }

        private static func turns(_ turn: String) -> String {
            "{% for message in messages %}\(turn){% endfor %}"
        }

        private static func generation(_ prompt: String) -> String {
            "{% if add_generation_prompt %}\(prompt){% endif %}"
        }

        /// A system message, which has no turn of its own, goes before the first user's words.
        private static func systemFirst(_ opener: String, _ closer: String) -> String {
            "{% set system = '' %}{% set turns = messages %}"
                + "{% if messages and messages[0].role == 'system' %}"
                + "{% set system = \(opener) + messages[0].content + \(closer) %}"
                + "{% set turns = messages[1:] %}{% endif %}"
        }

        private static let alternation =
            "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
            + "{{ raise_exception('user and assistant must take turns') }}{% endif %}"

        private static let llama2Source =
            systemFirst("'<<SYS>>\\n'", "'\\n<</SYS>>\\n\\n'")
            + "{% for message in turns %}" + alternation
            + "{% set content = (system if loop.first else '') + message.content %}"
            + "{% if message.role == 'user' %}{{ bos_token }}[INST] {{ content | trim }} [/INST]"
            + "{% else %} {{ content | trim }} {{ eos_token }}{% endif %}{% endfor %}"

        private static let gemmaSource =
            "{{ bos_token }}" + systemFirst("''", "'\\n\\n'")
            + "{% for message in turns %}" + alternation
            + "<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n"
            + "{{ system if loop.first else '' }}{{ message.content | trim }}<end_of_turn>\n"
            + "{% endfor %}" + generation("<start_of_turn>model\n")
    }

    /// The template of a known format.
    ///
    /// - Parameters:
    ///   - format: how conversations are written.
    ///   - beginOfText: the text of the begin-of-text token, which some formats write.
    ///   - endOfText: the text of the end-of-text token, which Llama 2 writes after an answer.
    public init(_ format: Format, beginOfText: String? = nil, endOfText: String? = nil) {
        self.init(unchecked: format.source, beginOfText: beginOfText, endOfText: endOfText)
    }
}
