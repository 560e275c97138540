import BitNetKit
import BitNetTraining
import Foundation

/// The configuration of a training: where it comes from, and what messages call its members.
extension TrainCommand {
    /// Whether the configuration is one that the program has; a file decides its length too.
    var isNamedConfiguration: Bool { ["tiny", "small"].contains(config ?? "small") }

    func trainingConfiguration(_ config: String) throws -> TrainingConfiguration {
        switch config {
        case "tiny": return TrainingConfiguration(shape: .tiny)
        case "small": return TrainingConfiguration(shape: .small)
        default:
            let configuration = try Self.configuration(in: config)
            try configuration.validate()
            return configuration
        }
    }

    private static func configuration(in file: String) throws -> TrainingConfiguration {
        let text: String
        do {
            text = try Terminal.readText(file)
        } catch .fileNotFound {
            throw BitNetError.unreadable(
                path: Terminal.wholePath(file),
                reason: "it is neither tiny nor small, nor a file that is there")
        }
        do {
            return try JSONDecoder().decode(TrainingConfiguration.self, from: Data(text.utf8))
        } catch let error as DecodingError {
            throw BitNetError.malformedFile(
                path: Terminal.wholePath(file),
                detail: "not a training configuration: \(reason(of: error))")
        }
    }

    /// Which member is wrong, and how.
    private static func reason(of error: DecodingError) -> String {
        func place(_ context: DecodingError.Context, _ key: (any CodingKey)? = nil) -> String {
            (context.codingPath + [key].compactMap(\.self)).map(\.stringValue)
                .joined(separator: ".").quoted
        }
        switch error {
        case .keyNotFound(let key, let context): return "\(place(context, key)) is missing"
        case .valueNotFound(_, let context): return "\(place(context)) is null"
        case .typeMismatch(let type, let context): return "\(place(context)) is no \(type)"
        case .dataCorrupted(let context) where !context.codingPath.isEmpty:
            return "\(place(context)): \(context.debugDescription)"
        default: return "it is not JSON"
        }
    }

    // MARK: - Names

    /// What a user of the program calls things that the library's errors name: an option, or a member
    /// of the configuration.
    func inOptions(_ error: BitNetError) -> BitNetError {
        guard case .invalidArgument(let name, let detail) = error else { return error }
        let others = [
            "files": "--data", "corpus": "--data", "documents": "--data", "heldOut": "--data",
            "context": "--data", "data": "--data or --validation",
            "validationFiles": "--validation", "output": "--out", "tokenizer": "--tokenizer",
            "teacher": "--teacher", "threads": "--threads", "length": "--steps",
        ]
        if let option = others[name] ?? optionOfMember(name) {
            return .invalidArgument(name: option, detail: detail + (remedy(name) ?? ""))
        }
        let member = TrainingConfiguration(distillation: .init(teacher: "")).members.keys.first {
            $0 == name || $0.hasSuffix("." + name)
        }
        return .invalidArgument(name: member.map { "--config: \($0)" } ?? name, detail: detail)
    }

    /// The option that has set a member of the configuration; nil where the configuration has.
    private func optionOfMember(_ name: String) -> String? {
        switch name {
        case "length.steps": steps.map { _ in "--steps" }
        case "length.seconds": time.map { _ in "--time" }
        case "distillation.weight": more.teacherWeight.map { _ in "--teacher-weight" }
        case "distillation.temperature":
            more.teacherTemperature.map { _ in "--teacher-temperature" }
        default: nil
        }
    }

    /// What to do besides what the library says.
    private func remedy(_ name: String) -> String? {
        switch name {
        case "heldOut" where !compareRounding:
            ", or give other text to measure progress on with --validation"
        case "context": ": shape.contextLength of --config"
        default: nil
        }
    }
}
