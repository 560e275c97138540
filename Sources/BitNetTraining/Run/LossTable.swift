internal import BitNetKit
internal import BitNetPlots
internal import Foundation

/// Losses in the course of a training as a file of comma-separated values, a line for each step and
/// one for each validation, and as a picture.
struct LossTable {
    static let header =
        "step,seconds,loss,validation_loss,bits_per_byte,learning_rate,tokens_per_second"

    private let path: String
    private var lines: [String] = []
    private var seconds = 0.0
    /// Losses of steps, and the seconds of training until then.
    private(set) var steps: [(step: Int, seconds: Double, loss: Double)] = []
    /// Losses of text that is held out.
    private(set) var validations: [(step: Int, loss: Double)] = []

    /// Goes on with a table that is there, as far as `step`.
    init(_ url: URL, upTo step: Int) throws(BitNetError) {
        path = url.path
        guard step > 0, FileManager.default.fileExists(atPath: path) else { return }
        let region = try ByteRegion(reading: InputFile(opening: path))
        let text = region.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        for line in text.split(separator: "\n").dropFirst() {
            let fields = line.split(separator: ",", omittingEmptySubsequences: false)
            guard fields.count == 7, let number = Int(fields[0]), number <= step else { continue }
            lines.append(String(line))
            seconds = Double(fields[1]) ?? seconds
            if let loss = Double(fields[2]) { steps.append((number, seconds, loss)) }
            if let loss = Double(fields[3]) { validations.append((number, loss)) }
        }
    }

    mutating func add(_ report: StepReport) {
        seconds += report.seconds
        let rate = String(format: "%.6g", Double(report.learningRate))
        lines.append(
            "\(report.step),\(shown(seconds)),\(shown(report.loss)),,,\(rate),"
                + "\(Int(report.tokensPerSecond))")
        steps.append((report.step, seconds, report.loss))
    }

    /// Takes the place of an earlier validation after the same step.
    mutating func add(_ report: ValidationReport) {
        validations.removeAll { $0.step == report.step }
        lines.removeAll {
            // The fields of a step's loss and of its rate are empty.
            $0.hasPrefix("\(report.step),") && $0.hasSuffix(",,")
        }
        let bits = report.bitsPerByte.map(shown) ?? ""
        lines.append("\(report.step),\(shown(seconds)),,\(shown(report.loss)),\(bits),,")
        validations.append((report.step, report.loss))
    }

    private func shown(_ value: Double) -> String { String(format: "%.5f", value) }

    /// Writes all lines, and the picture beside them; replaces the files that are there.
    func write(_ configuration: TrainingConfiguration) throws(BitNetError) {
        let text = ([LossTable.header] + lines).joined(separator: "\n") + "\n"
        try LossTable.write(text, to: path)
        let picture = URL(fileURLWithPath: path).deletingPathExtension().path + ".svg"
        try LossTable.write(chart(configuration).svg, to: picture)
    }

    private static func write(_ text: String, to path: String) throws(BitNetError) {
        let file = try AtomicFile(replacing: path)
        try file.write(ByteRegion(Array(text.utf8), path: path))
        try file.commit()
    }
}
