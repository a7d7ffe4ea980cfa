class MimoMcp < Formula
  desc "@DESCRIPTION@"
  homepage "@REPOSITORY@"
  version "@VERSION@"
  license "@LICENSE@"

@ARCHIVES@
  def install
    bin.install "mimo"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/mimo.bash" => "mimo"
    zsh_completion.install "completions/_mimo"
    fish_completion.install "completions/mimo.fish"
  end

  test do
    ENV["MIMO_DATA_DIR"] = testpath.to_s
    ENV["MIMO_CONFIG_DIR"] = testpath.to_s
    assert_match version.to_s, shell_output("#{bin}/mimo --version")
    system bin/"mimo", "remember", "Raj deploys on Mondays"
    assert_match "Raj", shell_output("#{bin}/mimo search who deploys")
  end
end
