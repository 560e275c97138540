import BitNetKit

// The library's errors in the words of the command line: what they call by the name of a member has
// the name of an option or an argument here.
extension CommandSyntax {
    /// What has gone wrong, for somebody who has typed this command.
    func message(of error: BitNetError) -> String {
        guard case .invalidArgument(let name, let detail) = error, let option = option(for: name)
        else { return "\(error)" }
        return "\(option): \(detail)"
    }

    /// The command's option for what the library calls `name`; nil where there is none.
    private func option(for name: String) -> String? {
        Self.options(for: name).first { self[$0] != nil }
    }

    /// The options that stand for what the library calls `name` in one command or another: those that
    /// are called otherwise, then the one of the same name in the spelling of options.
    static func options(for name: String) -> [String] {
        let spelled = name.reduce(into: "") { option, letter in
            switch letter {
            case " ": option += "-"
            case _ where letter.isUppercase: option += "-" + letter.lowercased()
            default: option.append(letter)
            }
        }
        return (otherNames[name] ?? []).map { "--" + $0 } + ["--" + spelled]
    }

    private static let otherNames = [
        "contextLength": ["context"], "context length": ["context"],
        "maximumResponseTokens": ["max-tokens"], "topLogProbabilities": ["logprobs"],
        "maximumDraft": ["draft"], "instructionSet": ["isa"], "lmHead": ["head"],
        "heldOut": ["validation"], "documents": ["data"], "corpus": ["data"],
        "output": ["out"], "text": ["file"], "jsonSchema": ["json-schema"],
        "shape": ["synthetic"],
    ]
}
