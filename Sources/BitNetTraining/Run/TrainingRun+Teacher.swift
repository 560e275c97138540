internal import BitNetKit
internal import Foundation

extension TrainingRun {
    /// The model to learn from besides the text, if there is one; `used` then names it.
    func loadTeacher(
        _ used: inout TrainingConfiguration, _ event: @Sendable (Event) -> Void
    ) async throws(BitNetError) -> BitNetModel? {
        if let teacher {
            guard !isResumed || used.distillation != nil else {
                throw .invalidArgument(
                    name: "teacher",
                    detail: "the training in \(output.path) began without one; go on without, or "
                        + "begin anew in another folder")
            }
            used.distillation = used.distillation ?? .init(teacher: teacher.path)
            used.distillation?.teacher = teacher.path
        }
        guard let name = used.distillation?.teacher else { return nil }
        let url = URL(fileURLWithPath: name)
        event(.loadingTeacher(url))
        return try await BitNetModel.load(url, options: LoadOptions(threads: threads))
    }

    /// The tokenizer beside a teacher's weights.
    func tokenizer(
        of distillation: TrainingConfiguration.Distillation
    ) throws(BitNetError) -> URL {
        let file = URL(fileURLWithPath: distillation.teacher)
            .appendingPathComponent("tokenizer.json")
        guard FileManager.default.fileExists(atPath: file.path) else {
            throw .invalidArgument(
                name: "tokenizer",
                detail: "the model to train has the tokenizer of its teacher, and "
                    + "\(distillation.teacher) is no folder with a tokenizer.json; give the folder "
                    + "that the teacher was made from as the tokenizer")
        }
        return file
    }

    /// Refuses a teacher whose ids are for other tokens.
    func check(_ tokenizer: Tokenizer, against teacher: BitNetModel?) throws(BitNetError) {
        guard let teacher else { return }
        let name = self.teacher?.path ?? teacher.configuration.name
        let other = try teacher.tokenizer
        guard other.fingerprint == tokenizer.fingerprint else {
            throw .tokenizer(
                detail: "that of the teacher \(name) (\(other.vocabularySize) tokens) is another "
                    + "one than that of the text (\(tokenizer.vocabularySize) tokens); a teacher "
                    + "can only be learnt from with its own tokenizer")
        }
    }
}
