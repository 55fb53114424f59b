"""vLLM as a peer of `benchmarks.rollout`: a child process in an environment of its own, which lacks autotelic. Not run by hand.

    python vllm_peer.py MODEL_FOLDER NEW_TOKENS GROUP THREADS

Reads a JSON list of prompts (token ids) per line, samples GROUP completions of NEW_TOKENS tokens of each, prints "done" and the number of tokens.
"""

import json
import os
import sys


def main(folder: str, new: int, group: int, threads: int) -> None:
    os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    os.environ |= {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    from vllm import LLM, SamplingParams

    llm = LLM(folder, skip_tokenizer_init=True, dtype="float32", max_model_len=128, max_num_seqs=256, enable_prefix_caching=True)
    sampling = SamplingParams(n=group, temperature=1.0, max_tokens=new, min_tokens=new, ignore_eos=True, detokenize=False)
    for line in sys.stdin:
        done = llm.generate([{"prompt_token_ids": prompt} for prompt in json.loads(line)], sampling, use_tqdm=False)
        print("done", sum(len(output.token_ids) for request in done for output in request.outputs), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
