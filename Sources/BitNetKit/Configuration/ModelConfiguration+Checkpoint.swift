internal import Foundation

extension ModelConfiguration {
    /// The configuration of either kind of checkpoint.
    init(_ checkpoint: Checkpoint) throws(BitNetError) {
        let name = URL(fileURLWithPath: checkpoint.path).deletingPathExtension().lastPathComponent
        switch checkpoint.metadata {
        case .gguf(let gguf): try self.init(gguf: gguf, of: checkpoint, name: name)
        case .huggingFace(let folder):
            let path = folder.path + "/config.json"
            try self.init(huggingFace: folder.config, name: name, path: path)
            let reader = try ConfigReader(folder.config, path: path)
            // A default that does not fit may make no graph either, but is the better reason.
            try reader.check(absentSizesOf: self, against: checkpoint)
            try validate(path: path)
            isLMHeadTied = try reader.isLMHeadTied(in: checkpoint)
            // BitNet embeddings say nowhere that they are any; their norms do.
            guard folder.config["quantization_config"]?.object == nil, hasLinearNorms else {
                return
            }
            let norms = TensorNames(checkpoint).linearNorms(.query, 0)
            hasLinearNorms = norms.contains { checkpoint.tensor(named: $0) != nil }
            quantizesMasters = hasLinearNorms
        }
    }
}
