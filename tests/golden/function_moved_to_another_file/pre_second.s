	.section .text.second,"ax",@progbits
	.globl	second
	.type	second, @function
second:
	.cfi_startproc
	leal	6(%rdi,%rdi,8), %eax
	leal	2(%rax,%rax), %eax
	ret
	.cfi_endproc
	.size	second, .-second

