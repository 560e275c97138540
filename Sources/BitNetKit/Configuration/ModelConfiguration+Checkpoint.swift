internal import Foundation

extension ModelConfiguration {
    /// The configuration of either kind of checkpoint.
    init(_ checkpoint: Checkpoint) throws(BitNetError) {
        let name = checkpoint.nameOfModel
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

extension Checkpoint {
    /// What to call a model that has no name in its file: the name of the file or folder; where that
    /// says only what kind of thing it is, what `config.json` says or the folder it is in.
    fileprivate var nameOfModel: String {
        var names = URL(fileURLWithPath: path).standardizedFileURL.pathComponents
        if names.last?.hasSuffix(".gguf") == true {
            names[names.count - 1].removeLast(".gguf".count)
        }
        if case .huggingFace(let folder) = metadata,
            let origin = folder.config["_name_or_path"]?.string?.split(separator: "/").last
        {
            names.insert(String(origin), at: names.count - 1)
        }
        let name = names.last { !Checkpoint.isCommon($0) } ?? names.last ?? path
        // A cache of the hub: models--owner--name/snapshots/commit.
        guard name.hasPrefix("models--") else { return name }
        return name.dropFirst("models--".count).split(separator: "--").joined(separator: "/")
    }

    private static func isCommon(_ name: String) -> Bool {
        let common = [
            "/", ".", "model", "packed", "online", "weights", "checkpoint", "snapshots", "main",
            "gguf",
            "hf",
        ]
        return common.contains(name.lowercased())
            || name.count == 40 && name.allSatisfy(\.isHexDigit)
    }
}
