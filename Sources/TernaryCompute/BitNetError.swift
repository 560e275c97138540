public import Foundation

/// Everything that can go wrong in BitNetKit, with what was found, where, and what to do about it.
///
/// Every throwing call of the library throws this type (`throws(BitNetError)`). `description` is one
/// line, ready for a terminal or a log.
public enum BitNetError: Error, Sendable, Hashable {
    /// No file or folder at `path`.
    case fileNotFound(path: String)
    /// The operating system refused to open, map or read `path`.
    case unreadable(path: String, reason: String)
    /// The operating system refused to write `path`; nothing was left behind.
    case unwritable(path: String, reason: String)
    /// The file is not what it claims to be: truncated, overlapping, or inconsistent with itself.
    case malformedFile(path: String, detail: String)
    /// The file is well formed, but of a kind this library does not read; `remedy` says what does.
    case unsupportedFormat(path: String, detail: String, remedy: String)
    /// The model graph is not one this library implements.
    case unsupportedArchitecture(name: String, known: [String])
    /// The file asks for a graph feature that would silently change results if it were ignored.
    case unsupportedFeature(path: String, feature: String, value: String)
    /// A key the graph depends on is absent or has the wrong type.
    case invalidMetadata(path: String, key: String, detail: String)
    /// A tensor the graph needs is absent.
    case missingTensor(path: String, tensor: String)
    /// A tensor the graph has no place for; ignoring it would give wrong results.
    case unexpectedTensor(path: String, tensor: String)
    /// A tensor has another shape than the configuration says (`[rows, columns]`).
    case shapeMismatch(tensor: String, expected: [Int], found: [Int])
    /// A tensor's bytes cannot be what its type says, for example code 3 in a 2-bit ternary tensor.
    case corruptTensor(tensor: String, detail: String)
    /// The weights are not ternary; `relativeError` is the squared error of rounding them.
    case notTernary(tensor: String, relativeError: Double)
    /// The tokenizer is missing, malformed, or does not fit the model.
    case tokenizer(detail: String)
    /// The chat template is missing, malformed, or asks for what is not supported; `detail` has the
    /// line.
    case chatTemplate(detail: String)
    /// The grammar or JSON schema is malformed or asks for what is not supported.
    case grammar(detail: String)
    /// The prompt does not fit the context (both in tokens). Of a text that is far too long only a
    /// beginning is read, and `requested` is what it has at least.
    case contextWindowExceeded(limit: Int, requested: Int)
    /// Bias, processors or grammar leave no token to go on with, after `position` tokens of the
    /// response.
    case noAllowedToken(position: Int)
    /// A type has no JSON schema that can be found by decoding it; `path` is the coding path of what
    /// has none, empty for the type itself.
    case unsupportedType(type: String, path: String, detail: String)
    /// A typed response, or the call of a tool, ended before its JSON did; `text` is all there is.
    case incompleteResponse(text: String, detail: String)
    /// A typed response is JSON of its schema, but its type refuses it.
    case undecodableResponse(text: String, detail: String)
    /// A tool that the model has called has thrown an error.
    case toolFailed(name: String, detail: String)
    /// The model has called tools `limit` times in one turn, and wants to call one more.
    case toolRoundsExceeded(limit: Int)
    /// An argument is out of range.
    case invalidArgument(name: String, detail: String)
    /// The kernel set is not compiled in, not supported by this CPU, or failed its self-test.
    case kernelUnavailable(name: String, reason: String)
    /// OpenBLAS, which float baselines need, cannot be loaded or used.
    case blasUnavailable(reason: String)
    /// Memory for `bytes` bytes could not be had.
    case outOfMemory(bytes: Int, purpose: String)
    /// Training met numbers that are not finite in `step`, the first of which is 1; the weights are
    /// those before it. `checkpoint` is the latest one that was saved.
    case trainingDiverged(step: Int, checkpoint: String?)
    /// A session was asked for something while it is giving an answer.
    case sessionBusy
    /// The work was cancelled by the caller.
    case cancelled
}

extension BitNetError: CustomStringConvertible {
    /// What was found, where, and what to do, on one line; a file's text in it is cut.
    public var description: String {
        // Paths are limited by the system, and are needed whole.
        let path = path ?? ""
        return path + whole.dropFirst(path.count).cutInTheMiddle(to: 1200)
    }

    private var path: String? {
        switch self {
        case .fileNotFound(let path), .unreadable(let path, _), .unwritable(let path, _),
            .malformedFile(let path, _), .unsupportedFormat(let path, _, _),
            .unsupportedFeature(let path, _, _), .invalidMetadata(let path, _, _),
            .missingTensor(let path, _), .unexpectedTensor(let path, _):
            path
        default: nil
        }
    }

    private var whole: String {
        switch self {
        case .fileNotFound(let path):
            "\(path): no such file or folder; check the path"
        case .unreadable(let path, let reason):
            "\(path): cannot be read: \(reason)"
        case .unwritable(let path, let reason):
            "\(path): cannot be written: \(reason)"
        case .malformedFile(let path, let detail):
            "\(path): \(detail)"
        case .unsupportedFormat(let path, let detail, let remedy):
            "\(path): \(detail); \(remedy)"
        case .unsupportedArchitecture(let name, let known):
            "architecture \(name.quoted) is not supported; known: \(known.joined(separator: ", "))"
        case .unsupportedFeature(let path, let feature, let value):
            "\(path): \(feature) = \(value) is not supported, and leaving it out could change "
                + "the results"
        case .invalidMetadata(let path, let key, let detail):
            "\(path): metadata \(key.quoted): \(detail)"
        case .missingTensor(let path, let tensor):
            "\(path): tensor \(tensor.quoted) is missing; is the file complete?"
        case .unexpectedTensor(let path, let tensor):
            "\(path): tensor \(tensor.quoted) has no place in this architecture; "
                + "the file needs another graph than it declares"
        case .shapeMismatch(let tensor, let expected, let found):
            "tensor \(tensor.quoted): shape \(found), expected \(expected)"
        case .corruptTensor(let tensor, let detail):
            "tensor \(tensor.quoted): \(detail)"
        case .notTernary(let tensor, let relativeError):
            "tensor \(tensor.quoted): not ternary, rounding it would change it by "
                + "\(relativeError * 100)% (relative squared error); only models trained with "
                + "ternary weights can be run"
        case .tokenizer(let detail):
            "tokenizer: \(detail)"
        case .chatTemplate(let detail):
            "chat template: \(detail)"
        case .grammar(let detail):
            "grammar: \(detail)"
        case .contextWindowExceeded(let limit, let requested):
            "the prompt has \(requested / 4 > limit ? "at least " : "")\(requested) tokens, the "
                + "context holds \(limit); shorten the prompt"
        case .noAllowedToken(let position):
            "no token is allowed after \(counted(position, "token")) of the response; the logit bias, a "
                + "processor or the grammar excludes all of them"
        case .unsupportedType(let type, let path, let detail):
            "type \(type.quoted)\(path.isEmpty ? "" : " at \(path.quoted)") has no JSON schema: "
                + detail
        case .incompleteResponse(let text, let detail):
            "the response \(detail) before its JSON was complete; allow more tokens, or bound its "
                + "texts and lists: \(text.quoted)"
        case .undecodableResponse(let text, let detail):
            "the response \(text.quoted) fits its schema, but its type does not decode it: \(detail)"
        case .toolFailed(let name, let detail):
            "the tool \(name.quoted) has failed: \(detail)"
        case .toolRoundsExceeded(let limit):
            "the model has called tools \(counted(limit, "time")) without an answer, and calls one more; allow "
                + "more rounds, or say in the prompt when to answer"
        case .invalidArgument(let name, let detail):
            "\(name): \(detail)"
        case .kernelUnavailable(let name, let reason):
            "kernel set \(name.quoted) is unavailable: \(reason)"
        case .blasUnavailable(let reason):
            "OpenBLAS is unavailable: \(reason)"
        case .outOfMemory(let bytes, let purpose):
            "out of memory: \(counted(bytes, "byte")) for \(purpose)"
        case .trainingDiverged(let step, let checkpoint):
            "step \(step) of training computed numbers that are not finite; "
                + (checkpoint.map { "go on from \($0)" } ?? "no checkpoint was saved before")
                + ", with a smaller learning rate"
        case .sessionBusy:
            "the session is giving an answer; wait for its end, or fork the session before"
        case .cancelled:
            "cancelled"
        }
    }
}

extension BitNetError: LocalizedError {
    /// The same as `description`, for `localizedDescription`.
    public var errorDescription: String? { description }
}
