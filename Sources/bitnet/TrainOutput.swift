import BitNetKit
import BitNetTraining
import Foundation
import Synchronization

/// What `bitnet train` prints: a line now and then, and between them one that changes in place.
final class TrainOutput: Sendable {
    private struct State {
        var progress = 0.0
        var loss = 0.0
        var tokensPerSecond = 0.0
        var begin: (time: ContinuousClock.Instant, progress: Double)?
        var isShown = false
    }

    private let isJSON: Bool
    private let unusedLength: TrainingConfiguration.Length?
    private let reading = ProgressLine()
    private let state = Mutex(State())

    /// - Parameter unusedLength: what a configuration says and a resumed training does not do.
    init(isJSON: Bool, unusedLength: TrainingConfiguration.Length? = nil) {
        self.isJSON = isJSON
        self.unusedLength = unusedLength
    }

    func show(_ event: TrainingRun.Event) {
        if isJSON { showJSON(event) }
        switch event {
        case .reading(let progress):
            reading.update(
                progress.stage == .encoding ? "encoding text:" : "training the tokenizer:",
                progress.fraction)
        case .loadingTeacher(let url): report("teacher: \(url.path)")
        case .training(let start):
            reading.clear()
            report(text(start))
            if let unusedLength, unusedLength != start.configuration.length {
                Terminal.note(
                    "--config says \(name(of: unusedLength)), the training began with "
                        + "\(name(of: start.configuration.length));\n--steps or --time change that")
            }
        case .step(let step): showStep(step)
        case .validation(let validation):
            let bits = validation.bitsPerByte.map { String(format: ", %.3f bits per byte", $0) }
            report(
                String(
                    format: "step %d: validation loss %.4f%@", validation.step, validation.loss,
                    bits ?? ""))
        case .sample(let text):
            report("  " + text.split(whereSeparator: \.isNewline).joined(separator: "\n  "))
        case .checkpoint(let url): report("checkpoint: \(url.path)")
        }
    }

    private func text(_ start: TrainingRun.Start) -> String {
        let shape = start.configuration.shape
        let length = name(of: start.configuration.length)
        guard start.progress < 1 else {
            return "nothing is left to train: "
                + counted(start.step, "step is done", "steps are done") + ", the length is "
                + "\(length);\na larger --steps or --time goes on"
        }
        return String(
            format: "%.2f M parameters, vocabulary %d, context %d; %.2f M tokens; %@, %@",
            Double(start.parameters) / 1e6, shape.vocabularySize, shape.contextLength,
            Double(start.tokens) / 1e6, length, threadCount(start.threads))
            + (start.step > 0 ? "\ngoing on after step \(start.step)" : "")
    }

    private func name(of length: TrainingConfiguration.Length) -> String {
        switch length {
        case .steps(let steps): counted(steps, "step")
        case .seconds(let seconds): "\(Int(seconds)) s"
        }
    }

    private func showStep(_ step: StepReport) {
        let line = state.withLock { state -> String in
            let share = state.loss == 0 ? 1 : 0.1
            state.loss += share * (step.loss - state.loss)
            state.tokensPerSecond += share * (step.tokensPerSecond - state.tokensPerSecond)
            state.progress = step.progress
            if state.begin == nil { state.begin = (.now, step.progress) }
            var rest = ""
            if let begin = state.begin, step.progress > begin.progress {
                let elapsed = (ContinuousClock.now - begin.time) / .seconds(1)
                let left = elapsed * (1 - step.progress) / (step.progress - begin.progress)
                rest = ", \(duration(left)) left"
            }
            state.isShown = Terminal.showsProgress
            return String(
                format: "%5.1f%%  step %d  loss %.4f  %d tokens/s%@", step.progress * 100,
                step.step, state.loss, Int(state.tokensPerSecond), rest)
        }
        if Terminal.showsProgress { Terminal.reportInPlace(line) }
    }

    private func duration(_ seconds: Double) -> String {
        let whole = Int(min(max(seconds, 0), 1e9))
        if whole < 120 { return "\(whole) s" }
        if whole < 7200 { return "\(whole / 60) min" }
        return String(format: "%.1f h", Double(whole) / 3600)
    }

    private func report(_ text: String) {
        guard !isJSON else { return }
        clear()
        Terminal.note(text)
    }

    /// Removes the line that changes.
    func clear() {
        reading.clear()
        state.withLock {
            if $0.isShown { Terminal.reportInPlace("") }
            $0.isShown = false
        }
    }

    func finish(_ summary: TrainingRun.Summary, folder: String) throws {
        guard !isJSON else {
            return Terminal.writeOrExit(try line("summary", summary))
        }
        let loss = summary.last.map { last in
            String(format: ", validation loss %.4f", last.loss)
                + (last.bitsPerByte.map { String(format: " (%.3f bits per byte)", $0) } ?? "")
        }
        let speed = summary.newSteps > 0 ? ", \(Int(summary.tokensPerSecond)) tokens/s" : ""
        try Terminal.write(
            "\(counted(summary.steps, "step"))\(loss ?? "")\(speed)\n"
                + "\(folder)/model.gguf: \(counted(summary.modelBytes, "byte"))\n")
    }

    // MARK: - JSON

    private func showJSON(_ event: TrainingRun.Event) {
        do {
            switch event {
            case .reading, .loadingTeacher: break
            case .training(let start): Terminal.writeOrExit(try line("training", start))
            case .step(let step): Terminal.writeOrExit(try line("step", step))
            case .validation(let report): Terminal.writeOrExit(try line("validation", report))
            case .sample(let text): Terminal.writeOrExit(try line("sample", text))
            case .checkpoint(let url): Terminal.writeOrExit(try line("checkpoint", url.path))
            }
        } catch {
            Terminal.fail("\(error)")
        }
    }

    /// An object with the event's name as its only member.
    private func line(_ name: String, _ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode([name: value]), as: UTF8.self) + "\n"
    }
}
