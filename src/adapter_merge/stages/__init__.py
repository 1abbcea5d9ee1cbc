"""The verbs: one file a stage, one public function each; they never import each other."""
