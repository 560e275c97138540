internal import BitNetKit
internal import Foundation

// A checkpoint is one safetensors file: every parameter under its name in models, the optimiser's
// moments as optimizer.mean.NAME and optimizer.square.NAME, all F32; in its metadata the
// configuration as JSON, and how far the training is. Data and random numbers of a step follow from
// its number.

extension TrainerState {
    private static let version = "2"
    /// Its data is told by the text alone.
    private static let earlyVersion = "1"

    /// The moments' names, as they follow the parameters.
    private var parts: [(prefix: String, values: AlignedBuffer<Float>)] {
        [
            ("", network.parameters), ("optimizer.mean.", optimizer.mean),
            ("optimizer.square.", optimizer.square),
        ]
    }

    /// Writes everything that going on needs; a file that is there is replaced when all is written.
    func save(to path: String) throws(BitNetError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let json: String
        do { json = String(decoding: try encoder.encode(configuration), as: UTF8.self) } catch {
            throw .invalidArgument(name: "configuration", detail: "\(error)")
        }
        let tensors = network.layout.tensors
        var writer = try SafetensorsWriter(
            path: path,
            metadata: [
                "bitnetkit.training": TrainerState.version, "configuration": json,
                "step": "\(step)", "seconds": "\(seconds.bitPattern)",
                "data": data.fingerprint,
            ],
            tensors: parts.flatMap { part in
                tensors.map { .init(name: part.prefix + $0.name, type: .f32, shape: $0.shape) }
            })
        for part in parts {
            for tensor in tensors {
                try writer.append(part.values.view[tensor.range], to: part.prefix + tensor.name)
            }
        }
        try writer.finish()
        checkpoint = path
    }

    /// The configuration of a checkpoint.
    static func configuration(
        of file: SafetensorsFile
    ) throws(BitNetError) -> TrainingConfiguration {
        guard let version = file.metadata["bitnetkit.training"] else {
            throw .unsupportedFormat(
                path: file.path, detail: "not a checkpoint of a training",
                remedy: "only files that a training has written can be gone on from")
        }
        guard [Self.earlyVersion, Self.version].contains(version) else {
            throw .unsupportedFormat(
                path: file.path, detail: "a checkpoint of version \(version)",
                remedy: "this library reads up to version \(Self.version)")
        }
        let json = file.metadata["configuration"] ?? ""
        do {
            return try JSONDecoder().decode(
                TrainingConfiguration.self, from: Data(json.utf8))
        } catch {
            throw .invalidMetadata(
                path: file.path, key: "configuration", detail: "it cannot be read: \(error)")
        }
    }

    /// Checks that the checkpoint's steps have learnt from the same data.
    private func checkData(_ file: SafetensorsFile) throws(BitNetError) {
        let (saved, found) = (file.metadata["data"] ?? "", data.fingerprint)
        let isEarly = file.metadata["bitnetkit.training"] == Self.earlyVersion
        guard saved == found || (isEarly && found.hasPrefix(saved + "-")) else {
            throw .invalidArgument(
                name: "data",
                detail: "\(file.path) was trained on other text, or with other text held out; go "
                    + "on with the same, or begin anew in another place")
        }
    }

    /// Takes over weights, moments and position.
    func restore(_ file: SafetensorsFile) throws(BitNetError) {
        func number<Value: LosslessStringConvertible>(
            _ key: String, _ type: Value.Type
        ) throws(BitNetError) -> Value {
            guard let value = file.metadata[key].flatMap(Value.init) else {
                throw .invalidMetadata(
                    path: file.path, key: key, detail: "expected a number that is not negative")
            }
            return value
        }
        try checkData(file)
        let step = try number("step", UInt32.self)
        let seconds = Double(bitPattern: try number("seconds", UInt64.self))
        guard seconds.isFinite, seconds >= 0 else {
            throw .invalidMetadata(path: file.path, key: "seconds", detail: "not a duration")
        }
        for part in parts {
            for entry in network.layout.tensors {
                let name = part.prefix + entry.name
                guard let tensor = file.tensor(named: name) else {
                    throw .missingTensor(path: file.path, tensor: name)
                }
                guard tensor.type == .f32, tensor.shape == entry.shape else {
                    throw .shapeMismatch(
                        tensor: name, expected: entry.shape, found: tensor.shape)
                }
                let view = part.values.view[entry.range]
                try tensor.region.read(
                    0..<tensor.region.count, into: view.rebound(to: UInt8.self))
                guard view.isFinite else {
                    throw .corruptTensor(
                        tensor: name, detail: "it holds numbers that are not finite")
                }
            }
        }
        network.snap()
        self.step = Int(step)
        self.seconds = seconds
        checkpoint = file.path
    }
}
