from livetide.cli import main

main()
